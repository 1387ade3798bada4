"""A small real disk for the demo: a partition table, and an ext4 with files of this machine."""

import os
import shutil
import struct
from pathlib import Path

from rehost.errors import CommandMissing
from rehost.system import process

MIB = 1 << 20
SIZE = 1024 * MIB
START = MIB  # of the one partition
FILES = 128 * MIB  # at most
MOST = 2000  # files
SECTOR = 512
LINUX = 0x83
SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"


def make_disk(image: Path) -> None:
    """Write an image of 1 GiB, sparse where nothing is. Raises CommandMissing, ProgramFailed."""
    mkfs = shutil.which("mkfs.ext4", path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}")
    if mkfs is None:
        raise CommandMissing("mkfs.ext4 (package e2fsprogs)")
    with image.open("wb") as disk:
        disk.truncate(SIZE)
        disk.write(partition_table(SIZE))
    files = image.with_suffix(".files")
    try:
        _gather(Path(os.__file__).parent, files)
        argv = [mkfs, "-q", "-F", "-L", "demo", "-d", str(files), "-E", f"offset={START}"]
        size = f"{(SIZE - START) // 1024}k"
        process.run([*argv, str(image), size], name="mkfs.ext4", environ=os.environ, limit_s=300)
    finally:
        shutil.rmtree(files, ignore_errors=True)


def partition_table(size: int) -> bytes:
    """The MBR of a disk of so many bytes: one partition of Linux, from START to the end."""
    entry = struct.pack(
        "<B3sB3sII",
        0,
        b"\xfe\xff\xff",
        LINUX,
        b"\xfe\xff\xff",
        START // SECTOR,
        (size - START) // SECTOR,
    )
    signature = b"RHDM"  # the disk's, by which systems tell disks apart
    return bytes(440) + signature + bytes(2) + entry + bytes(48) + b"\x55\xaa"


def _gather(source: Path, files: Path) -> None:
    """Copy a tree of files, as many as FILES holds, and MOST."""
    room, left = FILES, MOST
    for folder, _, names in os.walk(source):
        there = files / Path(folder).relative_to(source)
        there.mkdir(parents=True, exist_ok=True)
        for name in names:
            file = Path(folder, name)
            if file.is_symlink() or not os.access(file, os.R_OK):
                continue
            room, left = room - file.stat().st_size, left - 1
            if min(room, left) < 0:
                return
            shutil.copyfile(file, there / name)
