import subprocess
from pathlib import Path

import pytest

from rehost.errors import BadFormat
from rehost.storage import btrfs, lvm, partitions, signatures
from rehost.storage.content import Content

UUID = "11111111-2222-3333-4444-555555555555"
MIB = 1 << 20


@pytest.fixture
def image(tmp_path):
    path: Path = tmp_path / "image"

    def make(*argv: str, size: int = 400 * MIB) -> Path:
        with path.open("wb") as file:
            file.truncate(size)
        subprocess.run([*argv, str(path)], check=True, capture_output=True)
        return path

    return make


def identify(path: Path) -> Content | None:
    def read(offset: int, size: int) -> bytes:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size)

    return signatures.identify(read, size=path.stat().st_size)


@pytest.mark.needs("mkfs.ext4")
@pytest.mark.parametrize(
    ("kind", "options", "inode_size", "block_size"),
    [
        ("ext2", ["-b", "4096"], 256, 4096),
        ("ext3", ["-b", "1024", "-I", "128"], 128, 1024),
        ("ext4", ["-b", "2048", "-I", "512"], 512, 2048),
    ],
)
def test_ext(image, kind, options, inode_size, block_size):
    path = image("mkfs.ext4", "-q", "-t", kind, "-U", UUID, "-N", "5000", *options, size=64 * MIB)
    found = identify(path)
    assert found
    assert found.inodes is not None
    assert (found.file_system, found.uuid) == (kind, UUID)
    assert (found.inode_size, found.block_size) == (inode_size, block_size)
    assert found.blocks == 64 * MIB // block_size
    assert 4900 < found.inodes < 6000


@pytest.mark.needs("mkfs.xfs")
def test_xfs(image):
    found = identify(image("mkfs.xfs", "-q", "-m", f"uuid={UUID}", "-i", "size=1024"))
    assert found
    assert (found.file_system, found.uuid, found.inode_size) == ("xfs", UUID, 1024)
    assert (found.block_size, found.blocks) == (4096, 400 * MIB // 4096)


@pytest.mark.needs("mkfs.btrfs")
def test_btrfs(image):
    path = image("mkfs.btrfs", "-q", "-U", UUID, "-L", "data", "-n", "32768")
    found = identify(path)
    assert found
    assert (found.file_system, found.uuid, found.block_size) == ("btrfs", UUID, 4096)
    superblock = btrfs.parse_superblock(path.read_bytes()[btrfs.OFFSET :][: btrfs.SIZE])
    assert (superblock.label, superblock.size) == ("data", 400 * MIB)
    assert (superblock.nodesize, superblock.system_profile) == (32768, "dup")


@pytest.mark.needs("mkswap")
def test_swap(image):
    found = identify(image("mkswap", "-U", UUID, size=8 * MIB))
    assert found
    assert (found.file_system, found.uuid) == ("swap", UUID)


@pytest.mark.needs("mkfs.vfat")
@pytest.mark.parametrize("bits", ["12", "16", "32"])
def test_vfat(image, bits):
    size = {"12": 2, "16": 64, "32": 300}[bits] * MIB
    found = identify(image("mkfs.vfat", "-F", bits, "-s", "4", "-i", "1234abcd", size=size))
    assert found
    assert (found.file_system, found.uuid) == ("vfat", "1234-ABCD")
    assert found.block_size == 2048


@pytest.mark.needs("mkfs.ntfs", "blkid")
def test_ntfs(image):
    path = image("mkfs.ntfs", "-q", "-F", "-f", size=64 * MIB)
    found = identify(path)
    blkid = ["blkid", "-p", "-o", "value", "-s", "UUID", str(path)]
    uuid = subprocess.run(blkid, check=True, capture_output=True, text=True).stdout.strip()
    assert found
    assert (found.file_system, found.uuid, found.block_size) == ("ntfs", uuid, 4096)


@pytest.mark.needs("cryptsetup")
@pytest.mark.parametrize("version", ["luks1", "luks2"])
def test_luks(tmp_path, version):
    path = tmp_path / "image"
    path.write_bytes(bytes(32 * MIB))
    options = ["--batch-mode", "--type", version, "--uuid", UUID, "--pbkdf-force-iterations"]
    iterations = {"luks1": "1000", "luks2": "4"}[version]
    cheap = ["--pbkdf-memory", "32", "--pbkdf-parallel", "1"] if version == "luks2" else []
    subprocess.run(
        ["cryptsetup", "luksFormat", *options, iterations, *cheap, str(path), "-"],
        input=b"test",
        check=True,
    )
    found = identify(path)
    assert found
    assert (found.file_system, found.uuid) == ("crypto_LUKS", UUID)


@pytest.mark.parametrize("offset", [0, 4096, 8 * MIB - 8192])
def test_md(tmp_path, offset):
    superblock = (
        (0xA92B4EFC).to_bytes(4, "little") + (1).to_bytes(4, "little") + bytes(8) + b"\x11" * 16
    )
    path = tmp_path / "image"
    with path.open("wb") as file:
        file.truncate(8 * MIB)
        file.seek(offset)
        file.write(superblock)
    found = identify(path)
    assert found
    assert found.file_system == "linux_raid_member"
    assert found.uuid == "11111111-1111-1111-1111-111111111111"


@pytest.mark.needs("mkfs.ext4")
def test_a_label_of_lvm_hides_the_filesystem_that_was_there_before(image):
    path = image("mkfs.ext4", "-q", size=16 * MIB)
    label = b"LABELONE" + bytes(16) + b"LVM2 001" + b"abcdefghijklmnopqrstuvwxyz012345"
    with path.open("r+b") as file:
        file.seek(512)
        file.write(label)
    assert identify(path) == Content(
        file_system="LVM2_member", uuid="abcdef-ghij-klmn-opqr-stuv-wxyz-012345"
    )


def test_nothing_known(tmp_path):
    path = tmp_path / "image"
    path.write_bytes(bytes(MIB))
    assert identify(path) is None


@pytest.mark.needs("sfdisk")
@pytest.mark.parametrize(
    ("label", "script", "style", "types"),
    [
        ("dos", "start=2048,size=4096,type=83,bootable\ntype=8e", "MBR", {1: "0x83", 2: "0x8e"}),
        (
            "gpt",
            "size=4096,type=21686148-6449-6E6F-744E-656564454649\n"
            "size=8192,type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
            "GPT",
            {1: partitions.BIOS_BOOT, 2: partitions.ESP},
        ),
    ],
)
def test_partition_tables(tmp_path, label, script, style, types):
    path = tmp_path / "image"
    path.write_bytes(bytes(16 * MIB))
    subprocess.run(
        ["sfdisk", "--quiet", "--label", label, str(path)],
        input=script.encode(),
        check=True,
    )
    table = partitions.parse(path.read_bytes()[: partitions.SIZE])
    assert (table.style, table.types) == (style, types)
    assert not partitions.has_grub(table.boot_code)


@pytest.mark.needs("mkfs.vfat")
def test_the_boot_sector_of_a_filesystem_is_no_partition_table(image):
    path = image("mkfs.vfat", size=64 * MIB)
    with pytest.raises(BadFormat):
        partitions.parse(path.read_bytes()[: partitions.SIZE])


def test_subvolumes_of_btrfs():
    printed = (
        "ID 256 gen 8 parent 5 top level 5 parent_uuid -      uuid aaa path @\n"
        "ID 258 gen 7 parent 5 top level 5 parent_uuid aaa uuid bbb path snap 1\n"
    )
    first, second = btrfs.parse_subvolumes(printed)
    assert (first.id, first.path, first.is_snapshot) == ("256", "@", False)
    assert (second.path, second.parent_id, second.is_snapshot) == ("snap 1", "5", True)


def test_paths_of_btrfs_subvolumes_are_from_the_top_level():
    row = "ID {} gen 8 parent {} top level {} parent_uuid - uuid - path {}"
    listed = [("256", "5", "@"), ("257", "256", "srv"), ("258", "257", "srv/x"), ("259", "5", "@h")]
    printed = "\n".join(row.format(id, up, up, path) for id, up, path in listed)
    found = btrfs.from_top_level(btrfs.parse_subvolumes(printed), "256")
    assert [s.path for s in found] == ["@", "@/srv", "@/srv/x", "@h"]


@pytest.mark.parametrize(
    ("printed", "default"),
    [
        ("ID 5 (FS_TREE)\n", ("5", "")),
        ("ID 256 gen 8 top level 5 path @/root\n", ("256", "@/root")),
    ],
)
def test_default_subvolume_of_btrfs(printed, default):
    assert btrfs.parse_default(printed) == default


def test_profiles_of_btrfs_without_the_warning_after_them():
    printed = "Data, RAID1: total=9, used=7\nData, single: total=1, used=0\n\nWARNING: Multiple\n"
    assert [(u.profile, u.used) for u in btrfs.parse_df(printed)] == [("raid1", 7), ("single", 0)]


def test_a_hyphen_in_a_name_is_doubled_in_dev_mapper():
    [volume] = lvm.parse_logical("  my-vg|my-lv|4194304|-wi-ao----\n")
    assert volume.path == "/dev/mapper/my--vg-my--lv"


def test_lvm_is_only_ever_asked_to_read():
    for argv in (lvm.VGS, lvm.PVS, lvm.LVS):
        assert argv[0] in {"vgs", "pvs", "lvs"}
        assert "--readonly" in argv
