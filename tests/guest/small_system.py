"""The few files of a Debian that libguestfs takes for one, on disks of several kinds."""

import json
import os
import shutil
import subprocess
from pathlib import Path

UUID = "11111111-2222-3333-4444-555555555555"
MIB = 1 << 20
SIZE = 400 * MIB
BOOT_UUID = "66666666-2222-3333-4444-555555555555"
BOOT_AT = 300 * MIB
LABEL = b"system_u:object_r:etc_t:s0\0"
FILES = {
    "etc/hostname": "db1\n",
    "etc/hosts": "127.0.0.1\tlocalhost\n127.0.1.1\tdb1\n",
    "etc/fstab": "# by hand\n/dev/sda1 / ext4 defaults 0 1\n/dev/sdb1\t/data xfs nofail 0 2\n",
    "etc/os-release": 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
    "etc/debian_version": "12.5\n",
    "etc/network/interfaces": "auto ens3\niface ens3 inet static\n  address 192.0.2.7/24\n",
    "etc/ssh/ssh_host_ed25519_key": "the source's\n",
    "etc/ssh/ssh_host_ed25519_key.pub": "the source's\n",
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "boot/grub/grub.cfg": "linux /boot/vmlinuz root=/dev/sda1 ro\n",
    "boot/vmlinuz-6.1.0-1-amd64": "a kernel\n",
    "usr/lib/systemd/libsystemd-shared-252.so": "a library\n",
    "srv/data": "0123456789" * 10_000,
}
FOLDERS = ("bin", "dev", "proc", "sys", "run", "tmp", "var/lib/dbus", "usr/bin", "data", "home")


def make_tree(root: Path) -> None:
    """Files with owners, modes and labels that are to stay."""
    for name in FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "etc/ssh/ssh_host_ed25519_key").chmod(0o640)
    os.chown(root / "etc/ssh/ssh_host_ed25519_key", 0, 101)
    (root / "etc/fstab").chmod(0o664)
    os.setxattr(root / "etc/fstab", "security.selinux", LABEL)
    os.setxattr(root / "etc", "security.selinux", LABEL)
    (root / "etc/hosts.real").write_text(FILES["etc/hosts"])
    (root / "etc/hosts").unlink()
    (root / "etc/hosts").symlink_to("/etc/hosts.real")


def make_ext4(image: Path, tree: Path) -> None:
    """In the first partition of an MBR."""
    _partition(image, b"2048,,83,*\n")
    _mkfs(image, tree, UUID, MIB, SIZE - MIB)


def make_boot(image: Path, tree: Path) -> None:
    """As make_ext4; what is in /boot is in the second partition."""
    _partition(image, f"2048,{BOOT_AT // 512 - 2048},83\n{BOOT_AT // 512},,83,*\n".encode())
    _mkfs(image, tree / "boot", BOOT_UUID, BOOT_AT, SIZE - BOOT_AT)
    shutil.rmtree(tree / "boot")
    (tree / "boot").mkdir()
    _mkfs(image, tree, UUID, MIB, BOOT_AT - MIB)


def _partition(image: Path, table: bytes) -> None:
    with image.open("wb") as file:
        file.truncate(SIZE)
    subprocess.run(["sfdisk", "--quiet", image], input=b"label: dos\n" + table, check=True)


def _mkfs(image: Path, tree: Path, uuid: str, offset: int, size: int) -> None:
    options = ["-q", "-F", "-U", uuid, "-d", str(tree), "-E", f"offset={offset}"]
    subprocess.run(["mkfs.ext4", *options, str(image), f"{size // MIB}M"], check=True)


BUILD = """
import guestfs, json, sys
image, archive, layout = sys.argv[1:]
g = guestfs.GuestFS(python_return_dict=True)
g.add_drive_opts(image, format="raw")
g.launch()
g.part_disk("/dev/sda", "mbr")
if layout == "lvm":
    g.pvcreate("/dev/sda1")
    g.vgcreate("vg", ["/dev/sda1"])
    g.lvcreate_free("root", "vg", 100)
    g.mkfs("xfs", "/dev/vg/root")
    g.mount("/dev/vg/root", "/")
    g.tar_in(archive, "/", xattrs=True)
    uuid = g.vfs_uuid("/dev/vg/root")
else:
    g.mkfs("btrfs", "/dev/sda1")
    g.mount("/dev/sda1", "/")
    g.btrfs_subvolume_create("/@")
    g.tar_in(archive, "/@", xattrs=True)
    g.btrfs_subvolume_snapshot("/@", "/before")
    uuid = g.vfs_uuid("/dev/sda1")
g.umount_all()
g.shutdown()
print(uuid)
"""

READ = """
import guestfs, json, sys
image, mountable = sys.argv[1:]
g = guestfs.GuestFS(python_return_dict=True)
g.add_drive_opts(image, format="qcow2", readonly=True)
g.launch()
g.mount_ro(mountable, "/")
found = {}
for path in sorted(g.find("/")):
    path = "/" + path.lstrip("/")
    if g.is_file(path):
        found[path] = g.read_file(path).decode()
g.shutdown()
print(json.dumps(found))
"""


def make_stack(image: Path, tree: Path, layout: str) -> str:
    """LVM with xfs, or a btrfs with subvolumes; the UUID of the filesystem."""
    with image.open("wb") as file:
        file.truncate(SIZE)
    archive = image.with_suffix(".tar")
    subprocess.run(["tar", "--xattrs", "-cf", archive, "-C", tree, "."], check=True)
    return _inside(BUILD, image, archive, layout).strip()


def read(image: Path, mountable: str) -> dict[str, str]:
    """The files of a filesystem in a qcow2 image, by their paths."""
    found: dict[str, str] = json.loads(_inside(READ, image, mountable))
    return found


def make_layer(base: Path, layer: Path) -> None:
    command = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(base), str(layer)]
    subprocess.run(command, check=True)


def _inside(script: str, *argv: object) -> str:
    environ = {"LIBGUESTFS_BACKEND": "direct", "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg"}
    command = ["/usr/bin/python3", "-c", script, *map(str, argv)]
    path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    return subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env={**path, **environ}
    ).stdout
