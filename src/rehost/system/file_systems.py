"""Which mounted filesystems write to a disk, and in which order they can be frozen."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rehost.system import holders
from rehost.system.holders import BLOCK, Mount

BTRFS = Path("/sys/fs/btrfs")


@dataclass(slots=True)
class FileSystem:
    """Once for all its mounts. `devices` are what it is made of, `disks` all that is below."""

    number: str
    kind: str
    mounts: list[Mount]
    devices: frozenset[str]
    disks: set[str] = field(default_factory=set)
    # Filesystems that hold the images of loop devices below this one.
    holders: set[str] = field(default_factory=set)

    @property
    def path(self) -> str:
        """The mount that is nearest to the root of this mount namespace."""
        return min((m.path for m in self.mounts), key=lambda p: (p.startswith("/proc/"), len(p)))


def on_disks(disks: Sequence[str]) -> list[FileSystem]:
    """The writable ones that write to these disks, in the order to freeze them.

    One whose image is a file of another comes before that: to freeze it writes to the other. Then
    the deepest mount comes first, and the root last. Raises OSError if a disk is not there.
    """
    numbers = {_whole(_number_of(disk)) for disk in disks}
    every = _all()
    wanted = [fs for fs in every.values() if numbers & fs.disks]
    wanted.sort(key=lambda fs: (-fs.path.rstrip("/").count("/"), fs.path))
    ordered: dict[str, FileSystem] = {}
    for fs in wanted:
        _place_after(fs, wanted, ordered)
    return list(ordered.values())


def swaps(disks: Sequence[str]) -> list[str]:
    """Swap areas on these disks: nothing stops writes to them, and nothing needs their content."""
    numbers = {_whole(_number_of(disk)) for disk in disks}
    paths = [line.split()[0] for line in Path("/proc/swaps").read_text().splitlines()[1:]]
    return [p for p in paths if (n := holders.number_of(p)) and _below(n)[0] & numbers]


def _place_after(
    fs: FileSystem, wanted: Sequence[FileSystem], ordered: dict[str, FileSystem]
) -> None:
    """Put `fs` behind all whose image it holds, directly or not."""
    if fs.number in ordered:
        return
    for other in wanted:
        if fs.number in other.holders and other is not fs:
            _place_after(other, wanted, ordered)
    ordered[fs.number] = fs


def _all() -> dict[str, FileSystem]:
    """All writable ones on block devices, by number."""
    mounts = holders.mounts()
    found: dict[str, FileSystem] = {}
    for mount in mounts:
        if mount.number in found:
            found[mount.number].mounts.append(mount)
        elif mount.writable and (devices := frozenset(_devices(mount))):
            found[mount.number] = FileSystem(mount.number, mount.file_system, [mount], devices)
    ids = {m.id: m.number for m in mounts}
    for fs in found.values():
        for device in fs.devices:
            disks, images = _below(device)
            fs.disks |= disks
            fs.holders |= {ids[i] for image in images if (i := _mount_of(image)) in ids}
    _spread(found)
    return found


def _spread(found: dict[str, FileSystem]) -> None:
    """An image's disks are those of the filesystem that holds it, and so on."""
    for _ in found:
        for fs in found.values():
            for holder in [found[h] for h in fs.holders if h in found]:
                fs.disks |= holder.disks
                fs.holders |= holder.holders


def _devices(mount: Mount) -> Iterator[str]:
    """Numbers of the block devices that a filesystem is made of."""
    if BLOCK.joinpath(mount.number).exists():
        yield mount.number
    elif mount.file_system == "btrfs":  # has a number of its own, and perhaps several devices
        name = Path(mount.source).resolve().name
        for filesystem in BTRFS.glob("*/devices"):
            members = [p.name for p in filesystem.iterdir()]
            if name in members:
                yield from (_number(filesystem / member) for member in members)


def _below(number: str) -> tuple[set[str], set[str]]:
    """The disks that a device is on in the end, and the image files on the way."""
    folder = (BLOCK / number).resolve()
    whole = folder.parent if (folder / "partition").exists() else folder
    slaves = whole / "slaves"
    below = [_number(slave) for slave in slaves.iterdir()] if slaves.is_dir() else []
    disks: set[str] = set() if below else {_number(whole)}
    image = whole / "loop/backing_file"
    images = {image.read_text().rstrip("\n")} if image.exists() else set()
    for more_disks, more_images in map(_below, below):
        disks |= more_disks
        images |= more_images
    return disks, images


def _mount_of(path: str) -> str:
    """The id of the mount that a file is on; "" if no path leads to it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return ""
    try:
        return mount_of(fd)
    finally:
        os.close(fd)


def mount_of(fd: int) -> str:
    """The id of the mount through which a file was opened."""
    lines = Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines()
    return next((line.split()[1] for line in lines if line.startswith("mnt_id:")), "")


def _number_of(disk: str) -> str:
    number = holders.number_of(disk)
    if number is None:
        raise FileNotFoundError(2, "not a block device", disk)
    return number


def _whole(number: str) -> str:
    folder = (BLOCK / number).resolve()
    return _number(folder.parent if (folder / "partition").exists() else folder)


def _number(device: Path) -> str:
    return (device / "dev").read_text().strip()
