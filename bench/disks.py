"""Disks to copy: a real system's, and random bytes. Made once, kept in a cache folder.

Making the first takes debootstrap, root, and some minutes.
"""

import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

CACHE = Path(os.environ.get("REHOST_BENCH_CACHE", "/var/tmp/rehost-bench"))
GIB = 1 << 30
SYSTEM_SIZE = 3 * GIB
RANDOM_SIZE = 2 * GIB
_FIRST = 1 << 20
_PACKAGES = (
    "systemd systemd-sysv udev python3 lvm2 openssh-server linux-image-amd64 initramfs-tools less "
    "vim-tiny perl git gcc"
)


def system_disk() -> Path:
    """3 GiB: a partition table and an ext4 with a Debian, about 1 GB."""
    return _made("system-2.img", _make_system)


def random_disk() -> Path:
    """2 GiB that nothing makes smaller."""
    return _made("random-1.img", _make_random)


def _made(name: str, make: Callable[[Path], None]) -> Path:
    path = CACHE / name
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        make(new)
        new.rename(path)
    return path


def _make_system(path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        root = Path(folder)
        _install(root)
        with path.open("wb") as file:
            file.truncate(SYSTEM_SIZE)
        table = "label: dos\nstart=2048, type=83, bootable\n"
        subprocess.run(["sfdisk", "-q", path], input=table, text=True, check=True)
        subprocess.run(
            ["mkfs.ext4", "-q", "-d", root, "-E", f"offset={_FIRST}", path,
             str((SYSTEM_SIZE - _FIRST) // 1024) + "k"],
            check=True,
        )  # fmt: skip


def _install(root: Path) -> None:
    include = "--include=" + ",".join(_PACKAGES.split())
    argv = ["debootstrap", "--variant=minbase", include, "bookworm", str(root)]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["chroot", root, "apt-get", "clean"], check=True)


def _make_random(path: Path) -> None:
    with path.open("wb") as file:
        for _ in range(RANDOM_SIZE >> 20):
            file.write(os.urandom(1 << 20))
