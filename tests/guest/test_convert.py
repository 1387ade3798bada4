"""Systems on real filesystems are changed through libguestfs, on a layer over their disk."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from rehost.convert_errors import ConversionFailed, ConversionStopped, SystemNotFound
from rehost.model.server import Card, DeviceName, NamedBy, Root
from rehost.providers.base import DiskFormat, TargetDisk
from rehost.stages.convert import Options, convert, plan
from tests.guest import small_system
from tests.guest.small_system import BOOT_AT, BOOT_UUID, FILES, LABEL, SIZE, UUID
from tests.unit.check.reports import linux

pytestmark = pytest.mark.needs("root", "libguestfs", "qemu-img", "mkfs.ext4", "sfdisk", "debugfs")
MAC = "52:54:00:12:34:56"
CARD = Card(name="ens3", mac=MAC, named_by=NamedBy.PLACE)
LINK = "etc/systemd/network/00-rehost-ens3.link"
NVME = "/dev/nvme0n1p2"
CLONE = Options(hostname="db2", new_identity=True)
CHANGED = {"etc/fstab", "boot/grub/grub.cfg", "etc/hostname", "etc/hosts.real", "etc/machine-id"}
CHANGED |= {"etc/ssh/ssh_host_ed25519_key", "etc/ssh/ssh_host_ed25519_key.pub"}


def planned(root: Root, options: Options = CLONE):
    names = tuple(
        DeviceName(file="/etc/fstab", name="/dev/sda1", lasting=f"UUID={root.uuid}") for _ in "1"
    )
    return plan(linux(hostname="db1", cards=(CARD,), device_names=names, root=root), options)


def disk(path: Path) -> TargetDisk:
    kind = DiskFormat.QCOW2 if path.suffix == ".qcow2" else DiskFormat.RAW
    return TargetDisk(name="/dev/sda", size=SIZE, path=path, format=kind)


def changed(path: Path, made, tmp_path: Path, stopped=lambda: False) -> tuple[str, ...]:
    log = tmp_path / "convert.log"
    return convert([disk(path)], made, accelerated=False, log=log, stopped=stopped)


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree_of(image: Path, folder: Path) -> dict[str, bytes]:
    """The files of the ext4 on a raw disk, and what each is: read without libguestfs."""
    folder.mkdir()
    part = f"{image}?offset={1 << 20}"
    subprocess.run(["e2fsck", "-fn", part], check=True, capture_output=True)
    subprocess.run(["debugfs", "-R", f"rdump / {folder}", part], check=True, capture_output=True)
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def raw(layer: Path, image: Path) -> Path:
    subprocess.run(["qemu-img", "convert", "-O", "raw", layer, image], check=True)
    return image


@pytest.fixture
def base(tmp_path):
    tree = tmp_path / "tree"
    small_system.make_tree(tree)
    small_system.make_ext4(tmp_path / "base.img", tree)
    return tmp_path / "base.img"


@pytest.fixture
def layer(base, tmp_path):
    small_system.make_layer(base, tmp_path / "layer.qcow2")
    return tmp_path / "layer.qcow2"


def test_clone_on_a_layer_is_changed_as_planned_and_in_nothing_else(base, layer, tmp_path):
    before, files = digest(base), tree_of(base, tmp_path / "before")
    said = changed(layer, planned(Root(uuid=UUID)), tmp_path)
    assert digest(base) == before

    now = tmp_path / "now"
    after = tree_of(raw(layer, tmp_path / "now.img"), now)
    assert {name for name in files | after if files.get(name) != after.get(name)} == (
        CHANGED | {LINK}
    )
    old = FILES["etc/fstab"]
    assert after["etc/fstab"].decode() == old.replace("/dev/sda1", f"UUID={UUID}")
    assert after["boot/grub/grub.cfg"].decode() == f"linux /boot/vmlinuz root=UUID={UUID} ro\n"
    assert after["etc/hosts.real"].decode() == "127.0.0.1\tlocalhost\n127.0.1.1\tdb2\n"
    assert after["etc/hostname"] == b"db2\n"
    assert after["etc/machine-id"] == b""
    assert f"MACAddress={MAC}" in after[LINK].decode()
    assert b"PRIVATE KEY" in after["etc/ssh/ssh_host_ed25519_key"]

    assert (now / "etc/hosts").readlink() == Path("/etc/hosts.real")
    key = (now / "etc/ssh/ssh_host_ed25519_key").stat()
    assert (key.st_mode & 0o7777, key.st_uid, key.st_gid) == (0o640, 0, 101)
    assert (now / "etc/fstab").stat().st_mode & 0o7777 == 0o664
    assert (now / LINK).stat().st_mode & 0o7777 == 0o644
    for path in ("/etc/fstab", f"/{LINK}", f"/{Path(LINK).parent}"):
        assert label_of(tmp_path / "now.img", path) == LABEL.rstrip(b"\0").decode()

    assert [sentence for sentence in said if "/etc/fstab" in sentence]
    log = (tmp_path / "convert.log").read_text()
    assert "inspect_os" in log
    assert "PRIVATE" not in log + "".join(said)


def label_of(image: Path, path: str) -> str:
    part = f"{image}?offset={1 << 20}"
    argv = ["debugfs", "-R", f"ea_get -V {path} security.selinux", part]
    found = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    return found.rstrip("\0\n")


@pytest.mark.slow
def test_raw_image_is_changed_in_place_and_again_in_nothing_more(base, tmp_path):
    made = planned(Root(uuid=UUID), Options(dhcp=True, macs={"ens3": "52:54:00:00:00:01"}))
    changed(base, made, tmp_path)
    once = tree_of(base, tmp_path / "once")
    assert b"52:54:00:00:00:01" in once[LINK]
    assert b"inet dhcp" in once["etc/network/interfaces"]
    changed(base, made, tmp_path)
    assert tree_of(base, tmp_path / "twice") == once


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layout", "subvolume", "mountable"),
    [("lvm", "", "/dev/vg/root"), ("btrfs", "@", "btrfsvol:/dev/sda1/@")],
)
def test_root_on_a_volume_or_a_subvolume(tmp_path, layout, subvolume, mountable):
    tree, base, layer = tmp_path / "tree", tmp_path / "base.img", tmp_path / "layer.qcow2"
    small_system.make_tree(tree)
    uuid = small_system.make_stack(base, tree, layout)
    small_system.make_layer(base, layer)
    before, files = digest(base), small_system.read(layer, mountable)
    changed(layer, planned(Root(uuid=uuid, subvolume=subvolume)), tmp_path)
    assert digest(base) == before
    after = small_system.read(layer, mountable)
    different = {name[1:] for name in files | after if files.get(name) != after.get(name)}
    assert different == CHANGED | {LINK}
    if layout == "btrfs":
        assert small_system.read(layer, "btrfsvol:/dev/sda1/before") == files


@pytest.mark.slow
def test_boot_by_a_name_of_other_hardware_and_a_file_that_is_locked(tmp_path):
    tree, image = tmp_path / "tree", tmp_path / "base.img"
    small_system.make_tree(tree)
    (tree / "etc/fstab").write_text(f"UUID={UUID} / ext4 defaults 0 1\n{NVME} /boot ext4 x 0 2\n")
    small_system.make_boot(image, tree)
    debugfs(image, 1 << 20, "-w", "-R", "sif /etc/hostname flags 0x80010")
    boot = DeviceName(file="/etc/fstab", name=NVME, lasting=f"UUID={BOOT_UUID}")
    names = (boot, DeviceName(file="/proc/cmdline", name="/dev/sda1", lasting=f"UUID={UUID}"))
    root = Root(uuid=UUID)
    made = plan(linux(hostname="db1", cards=(), device_names=names, root=root), CLONE)
    changed(image, made, tmp_path)
    assert f"UUID={BOOT_UUID} /boot" in debugfs(image, 1 << 20, "-R", "cat /etc/fstab")
    assert debugfs(image, 1 << 20, "-R", "cat /etc/hostname") == "db2\n"
    assert "Flags: 0x80010" in debugfs(image, 1 << 20, "-R", "stat /etc/hostname")
    assert f"root=UUID={UUID}" in debugfs(image, BOOT_AT, "-R", "cat /grub/grub.cfg")


def debugfs(image: Path, offset: int, *words: str) -> str:
    """What it says of the filesystem there."""
    argv = ["debugfs", *words, f"{image}?offset={offset}"]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


@pytest.mark.slow
def test_disks_without_the_source_s_system(tmp_path):
    image = tmp_path / "empty.img"
    image.touch()
    os.truncate(image, SIZE)
    with pytest.raises(SystemNotFound, match="/dev/sda"):
        changed(image, planned(Root(uuid=UUID)), tmp_path)


def test_stopped_it_lets_go_of_the_disks_at_once(base, layer, tmp_path):
    before = digest(base)
    log = tmp_path / "convert.log"

    def has_launched() -> bool:
        return log.exists() and "launch = 0" in log.read_text()

    with pytest.raises(ConversionStopped):
        changed(layer, planned(Root(uuid=UUID)), tmp_path, stopped=has_launched)
    # QEMU's lock on the image is gone.
    subprocess.run(["qemu-img", "check", "-q", layer], check=True)
    assert digest(base) == before


def test_disk_that_is_no_image(tmp_path):
    image = tmp_path / "layer.qcow2"
    image.write_bytes(b"no qcow2" * 1000)
    with pytest.raises(ConversionFailed):
        changed(image, planned(Root(uuid=UUID)), tmp_path)
