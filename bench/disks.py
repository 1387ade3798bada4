"""Disks to copy: a real system's, and random bytes. Made once, kept in a cache folder."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

CACHE = Path(os.environ.get("REHOST_BENCH_CACHE", "/var/tmp/rehost-bench"))
GIB = 1 << 30
SYSTEM_SIZE = 3 * GIB
FILES_SIZE = 1000 << 20
RANDOM_SIZE = 2 * GIB
_FIRST = 1 << 20
_FOLDERS = ("/etc", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/share", "/usr/include", "/usr/local")


def system_disk() -> Path:
    """3 GiB: a partition table and an ext4 with about 1 GB of this machine's own files."""
    return _made("system-1.img", _make_system)


def random_disk() -> Path:
    """2 GiB that nothing makes smaller."""
    return _made("random-1.img", _make_random)


def _made(name: str, make: "object") -> Path:
    path = CACHE / name
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        make(new)  # type: ignore[operator]
        new.rename(path)
    return path


def _make_system(path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        root = Path(folder)
        _collect(root)
        with path.open("wb") as file:
            file.truncate(SYSTEM_SIZE)
        table = "label: dos\nstart=2048, type=83, bootable\n"
        subprocess.run(["sfdisk", "-q", path], input=table, text=True, check=True)
        subprocess.run(
            ["mkfs.ext4", "-q", "-d", root, "-E", f"offset={_FIRST}", path,
             str((SYSTEM_SIZE - _FIRST) // 1024) + "k"],
            check=True,
        )  # fmt: skip


def _collect(root: Path) -> None:
    """Copy files in the order of their names until there is about 1 GB of them."""
    left = FILES_SIZE
    for folder in _FOLDERS:
        for path in sorted(Path(folder).rglob("*")):
            if path.is_symlink() or not path.is_file():
                continue
            size = path.stat().st_size
            if size > left:
                return
            target = root / path.relative_to("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
            left -= size


def _make_random(path: Path) -> None:
    with path.open("wb") as file:
        for _ in range(RANDOM_SIZE >> 20):
            file.write(os.urandom(1 << 20))
