"""Block devices as the kernel counts them, and which disk a path is about."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from rehost.system.marks import Device

SYS = Path("/sys/dev/block")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a path in /dev stands for: a disk, or the part of it that begins at `start` (bytes)."""

    path: str
    disk: Device
    start: int
    size: int
    sys: Path  # of the whole disk
    whole: str  # its path


def find(path: str) -> Place:
    """Raises OSError if there is no such block device."""
    found = os.stat(path)  # noqa: PTH116 - it may be a name that Path would change
    if not stat.S_ISBLK(found.st_mode):
        raise OSError(15, f"{path} is not a block device")
    folder = (SYS / f"{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}").resolve(strict=True)
    is_part = (folder / "partition").exists()
    start = _number(folder / "start") * 512 if is_part else 0
    whole = folder.parent if is_part else folder
    return Place(
        path=path,
        disk=_disk(whole),
        start=start,
        size=_number(folder / "size") * 512,
        sys=whole,
        whole=f"/dev/{whole.name.replace('!', '/')}" if is_part else path,
    )


def is_zoned(place: Place) -> bool:
    """Requests of zoned disks do not say where their writes land."""
    try:
        return (place.sys / "queue/zoned").read_text().strip() not in ("", "none")
    except OSError:
        return False


def _disk(folder: Path) -> Device:
    parts = tuple(
        _device_number(entry)
        for entry in sorted(folder.iterdir())
        if (entry / "partition").exists()
    )
    return Device(
        number=_device_number(folder), size=_number(folder / "size") * 512, partitions=parts
    )


def _device_number(folder: Path) -> int:
    major, minor = (folder / "dev").read_text().split(":")
    return int(major) << 20 | int(minor)


def _number(file: Path) -> int:
    return int(file.read_text())
