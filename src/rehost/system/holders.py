"""What the kernel makes of a disk: its partitions, what is stacked on them, where it is mounted."""

import errno
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rehost.model.ranges import Range, between

SECTOR = 512  # sysfs counts in these, whatever the disk's own are
BLOCK = Path("/sys/dev/block")
ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """`path` leads there also from another mount namespace; `source` is as it was given.

    `writable`: the filesystem is, perhaps through another mount.
    """

    id: str
    number: str  # major:minor
    writable: bool
    file_system: str
    source: str
    path: str


def number_of(node: str) -> str | None:
    """The major:minor of a block device, None for anything else."""
    try:
        found = os.stat(node)  # noqa: PTH116
    except OSError:
        return None
    if not found.st_rdev or not BLOCK.joinpath(_number(found.st_rdev)).exists():
        return None
    return _number(found.st_rdev)


def parts(disk: str) -> dict[Range, str]:
    """The block devices that are a part, or all, of a disk or an image: partitions and loops."""
    found = dict(_loops(disk))
    number = number_of(disk)
    if number is None:
        return found
    for entry in BLOCK.joinpath(number).iterdir():
        if entry.joinpath("partition").exists():
            start, length = (_value(entry / name) * SECTOR for name in ("start", "size"))
            found[Range(offset=start, length=length)] = f"/dev/{entry.name}"
    return found


def holders(node: str) -> tuple[str, ...]:
    """Devices of the device mapper, md, bcache … that are made of this one."""
    number = number_of(node)
    folder = BLOCK / (number or "none") / "holders"
    return tuple(f"/dev/{p.name}" for p in folder.iterdir()) if folder.is_dir() else ()


def mapped_name(node: str) -> str:
    """The device mapper's name for a device, "" for other devices."""
    path = BLOCK / (number_of(node) or "none") / "dm/name"
    return path.read_text().strip() if path.exists() else ""


def sector_of(node: str) -> int:
    """Bytes of its logical sectors."""
    folder = BLOCK.joinpath(number_of(node) or "none").resolve()
    queue = folder / "queue" if folder.joinpath("queue").is_dir() else folder.parent / "queue"
    return _value(queue / "logical_block_size")


def mounts() -> tuple[Mount, ...]:
    """All of this machine, of each mount namespace that some process is in."""
    spaces: dict[str, Path] = {}
    for process in (Path("/proc/self"), *Path("/proc").glob("[0-9]*")):
        try:
            spaces.setdefault(str(process.joinpath("ns/mnt").readlink()), process)
        except OSError:
            continue  # it has ended, or is a thread of the kernel
    return tuple(m for process in spaces.values() for m in _mounts_of(process))


def btrfs_devices(fsid: str) -> tuple[str, ...]:
    """The names of the devices of a mounted btrfs filesystem; () if it is not mounted."""
    folder = Path("/sys/fs/btrfs") / fsid / "devices"
    return tuple(p.name for p in folder.iterdir()) if folder.is_dir() else ()


def _mounts_of(process: Path) -> Iterator[Mount]:
    try:
        lines = process.joinpath("mountinfo").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return
    root = "" if process.name == "self" else f"{process}/root"
    for line in lines:
        before, _, after = line.partition(" - ")
        kind, source, *options = after.split(" ")
        mount_id, _, number, _, path = before.split(" ")[:5]
        yield Mount(
            id=mount_id,
            number=number,
            writable="rw" in options[-1].split(","),
            file_system=kind,
            source=_plain(source),
            path=root + _plain(path),
        )


def _loops(disk: str) -> Iterator[tuple[Range, str]]:
    whole = _size(disk)
    for loop in Path("/sys/block").glob("loop*/loop"):
        try:
            if not Path(loop.joinpath("backing_file").read_text().rstrip("\n")).samefile(disk):
                continue
            start, length = (_value(loop / name) for name in ("offset", "sizelimit"))
        except OSError:
            continue  # detached meanwhile, or its file is gone
        yield between(start, start + length if length else whole), f"/dev/{loop.parent.name}"


def _size(path: str) -> int:
    with Path(path).open("rb") as file:
        return file.seek(0, os.SEEK_END)


def _number(device: int) -> str:
    return f"{os.major(device)}:{os.minor(device)}"


def _value(path: Path) -> int:
    return int(path.read_text())


def _plain(text: str) -> str:
    return ESCAPED.sub(lambda found: chr(int(found[1], 8)), text)


def is_claimed(node: str) -> bool:
    """Somebody has it for themselves: a mounted filesystem, swap, device mapper, md, DRBD …"""
    try:
        os.close(os.open(node, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
    except OSError as e:
        if e.errno == errno.EBUSY:
            return True
        raise
    return False


def is_active(node: str) -> bool:
    """The kernel has a filesystem on this device, whether or not a path leads there."""
    name = Path(node).resolve().name
    if any(Path("/sys/fs", kind, name).is_dir() for kind in ("ext4", "xfs")):
        return True
    return any(Path("/sys/fs/btrfs").glob(f"*/devices/{name}"))
