"""The machine's block devices and how they are made of each other, from /sys/block.

Format: the kernel's Documentation/ABI/stable/sysfs-block. It reads the same on every kernel that
can be met, and needs neither root nor a tool.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rehost.errors import BadFormat
from rehost.stages.discover.survey import Survey

SECTOR = 512  # /sys counts these, whatever the device's sectors are

# Not a server's disks: loop, RAM and compressed RAM, CD-ROM, floppy, network block devices, raw
# flash, and the hardware partitions of eMMC.
FOREIGN = re.compile(r"(loop|ram|zram|sr|scd|fd|nbd|mtdblock|drbd|rbd)\d.*|mmcblk\d+(boot\d+|rpmb)")
STACKED = {"LVM": "lvm", "CRYPT": "crypt", "mpath": "mpath"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """`kind` is lsblk's word: disk, part, lvm, crypt, mpath, raid1 …; `number` is "major:minor".

    A partition has a `parent`; what is made of other devices has `slaves`. All are kernel names.
    """

    name: str
    path: str
    number: str
    size: int
    kind: str
    parent: str = ""
    index: int = 0
    slaves: tuple[str, ...] = ()

    @property
    def sys(self) -> str:
        return f"/sys/block/{self.parent}/{self.name}" if self.parent else f"/sys/block/{self.name}"


@dataclass(frozen=True, slots=True)
class Blocks:
    """All block devices, by kernel name."""

    all: dict[str, Block]

    def disks(self) -> list[Block]:
        """Whole disks. Of the paths to one multipath disk, the first."""
        hidden = {
            slave for b in self.all.values() if b.kind == "mpath" for slave in sorted(b.slaves)[1:]
        }
        return [b for b in self.all.values() if b.kind == "disk" and b.name not in hidden]

    def partitions(self, disk: Block) -> list[Block]:
        parts = (b for b in self.all.values() if b.parent == disk.name)
        return sorted(parts, key=lambda b: b.index)

    def below(self, block: Block) -> Iterator[Block]:
        """The device itself and all that it is made of, down to the disks."""
        yield block
        for name in (*block.slaves, *([block.parent] if block.parent else [])):
            if name in self.all:
                yield from self.below(self.all[name])

    def at(self, path: str) -> Block | None:
        """The device of a path under /dev that is not a symbolic link, or is in /dev/mapper."""
        return next((b for b in self.all.values() if path in (b.path, f"/dev/{b.name}")), None)


def find_blocks(survey: Survey) -> Blocks:
    """Raises HostError if /sys cannot be read."""
    names = [n for n in survey.host.entries("/sys/block") if not FOREIGN.fullmatch(n)]
    found = [b for name in names for b in _device(survey, name)]
    return Blocks({b.name: b for b in found})


def _device(survey: Survey, name: str) -> Iterator[Block]:
    folder = f"/sys/block/{name}"
    size = _number(survey, f"{folder}/size") * SECTOR
    # Empty card readers have no size; the hidden paths of NVMe multipath have another name.
    if not size or survey.text(f"{folder}/hidden", "0") == "1":
        return
    kind, path = _kind_and_path(survey, name)
    yield Block(
        name=name,
        path=path,
        number=survey.text(f"{folder}/dev"),
        size=size,
        kind=kind,
        slaves=survey.entries(f"{folder}/slaves"),
    )
    parts = re.compile(re.escape(name) + r"p?\d+")
    for part in filter(parts.fullmatch, survey.entries(folder)):
        yield from _partition(survey, name, part)


def _partition(survey: Survey, disk: str, name: str) -> Iterator[Block]:
    folder = f"/sys/block/{disk}/{name}"
    index = survey.text(f"{folder}/partition", "")
    if index.isdecimal():
        yield Block(
            name=name,
            path=_device_path(name),
            number=survey.text(f"{folder}/dev"),
            size=_number(survey, f"{folder}/size") * SECTOR,
            kind="part",
            parent=disk,
            index=int(index),
        )


def _kind_and_path(survey: Survey, name: str) -> tuple[str, str]:
    folder = f"/sys/block/{name}"
    if name.startswith("dm-"):
        prefix = survey.text(f"{folder}/dm/uuid", "").split("-", 1)[0]
        kind = "part" if re.fullmatch(r"part\d+", prefix) else STACKED.get(prefix, "dm")
        return kind, "/dev/mapper/" + survey.text(f"{folder}/dm/name")
    if name.startswith("md"):
        return survey.text(f"{folder}/md/level", "md"), _device_path(name)
    return "disk", _device_path(name)


def _device_path(name: str) -> str:
    """/sys writes "!" where the name of a device has a "/" (cciss!c0d0)."""
    return "/dev/" + name.replace("!", "/")


def _number(survey: Survey, path: str) -> int:
    digits = survey.text(path)
    if not digits.isdecimal():
        raise BadFormat(f"{path} holds no number: {digits[:100]!r}")
    return int(digits)
