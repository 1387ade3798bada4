"""Which bytes of a disk must be copied: all but those that are known to be free.

Partition tables, gaps between partitions, boot loaders and every filesystem's metadata are used.
Free are: what ext2/3/4, xfs, btrfs and ntfs do not use, what swap swapped out, and the extents of
a physical volume that no logical volume has. Whatever is unknown, inconsistent, needs repair or
cannot be read is used as a whole; the log says why.

What is guaranteed, for a disk that is in use: let every write since some moment be tracked, and
call `used_ranges` after that moment. Then a byte that was written before it, and that a filesystem
still refers to, is in a used range. (A byte that was written later is tracked.) The bitmaps on
disk lag behind a mounted filesystem, so they are not what is asked: see
docs/decisions/0011-free-space-from-structures.md for each filesystem's way.

Two copies of a disk that agree in the used ranges and in what was tracked hold the same files.
"""

import logging
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from rehost.errors import BadFormat, Error
from rehost.model.ranges import Range
from rehost.storage import signatures
from rehost.storage.content import Content, expect
from rehost.storage.used import btrfs, ext, foreign, lvm, md, ntfs, swap, xfs
from rehost.storage.used.machine import Machine
from rehost.storage.used.partitions import has_table, partitions
from rehost.storage.used.ranges import Holes
from rehost.storage.used.volume import Segment, Volume, below

log = logging.getLogger(__name__)

# To add a filesystem: a file here with a function that yields its free bytes, and a line.
FREE: dict[str, Callable[[Volume], Iterator[Range]]] = {
    "btrfs": btrfs.free,
    "ext2": ext.free,
    "ext3": ext.free,
    "ext4": ext.free,
    "ntfs": ntfs.free,
    "swap": swap.free,
    "xfs": xfs.free,
}
DISK = "disk"
# What a parser meets in values that nobody foresaw.
UNFORESEEN = (ArithmeticError, LookupError, ValueError, struct.error, OSError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What was found in a part of the disk. `doubt` says why all of it is used, "" if not so."""

    name: str
    content: str
    size: int
    free: int
    doubt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`used` is sorted, disjoint and within the disk; it begins and ends at multiples of 64 KiB."""

    size: int
    used: tuple[Range, ...]
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    """A volume that was found in another."""

    name: str
    volume: Volume
    segments: tuple[Segment, ...]


def used_ranges(disk: str) -> tuple[Range, ...]:
    """What must be copied of a disk or an image: `plan` has more to say."""
    return plan(disk).used


def plan(disk: str) -> Plan:
    """Raises a HostError if the disk cannot be opened. May be repeated; changes nothing."""
    with ExitStack() as stack:
        machine = Machine(disk, stack)
        search, holes = _Search(machine), Holes()
        for free in search.free(Inner(name=DISK, volume=machine.disk(), segments=())):
            holes.add(free)
        used = tuple(holes.used(machine.size))
        return Plan(size=machine.size, used=used, parts=tuple(search.parts))


class _Search:
    """Goes through a disk from the outside to the inside."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.parts: list[Part] = []
        self._inside: dict[str, Callable[[Inner], Iterator[Inner | Range]]] = {
            "partitions": self._partitions,
            "linux_raid_member": self._raid,
            "LVM2_member": self._group,
        }

    def free(self, inner: Inner) -> tuple[Range, ...]:
        """What is free in a volume, in its bytes: () where there is any doubt."""
        content, doubt, found = "", "", Holes(grain=1)
        try:
            content = _content(inner.volume, is_disk=inner.name == DISK)
            for free in self._of_content(content, inner):
                expect(0 <= free.offset < free.end <= inner.volume.size, "free space is outside")
                found.add(free)
        except (Error, *UNFORESEEN) as e:
            # What was free until then is forgotten.
            doubt, found = f"{type(e).__name__}: {e}", Holes(grain=1)
        self._note(inner, content, found.bytes, doubt)
        return tuple(found)

    def _of_content(self, content: str, inner: Inner) -> Iterator[Range]:
        if content in FREE:
            if content != "swap":  # what somebody swaps out there is of no use either
                expect_alone(inner.volume)
            yield from FREE[content](inner.volume)
        elif content in self._inside:
            for found in self._inside[content](inner):
                yield from (
                    below(self.free(found), found.segments)
                    if isinstance(found, Inner)
                    else (found,)
                )

    def _partitions(self, outer: Inner) -> Iterator[Inner]:
        volume = outer.volume
        found = partitions(volume.read, size=volume.size, sector=self._machine.sector)
        for where in found:
            segment = Segment(inside=0, below=where.offset, length=where.length)
            yield Inner(
                name=f"partition at {where.offset}",
                volume=self._machine.part(where),
                segments=(segment,),
            )

    def _raid(self, outer: Inner) -> Iterator[Inner]:
        """The content of a RAID1, which each member has."""
        volume = outer.volume
        where = md.data(volume.read, size=volume.size, is_running=bool(volume.holders))
        segments = (Segment(inside=0, below=where.offset, length=where.length),)
        inside = self._machine.inside(volume, segments, size=where.length)
        expect(bool(inside.node) == bool(volume.holders), f"{volume.holders} are made of it")
        yield Inner(name=f"RAID1 in {outer.name}", volume=inside, segments=segments)

    def _group(self, outer: Inner) -> Iterator[Inner | Range]:
        """The plain logical volumes of a physical volume, and its free extents."""
        volume = outer.volume
        found = lvm.contents(volume.read, size=volume.size)
        self._machine.expect_known(volume, found.names)
        yield from found.free
        for each in found.volumes:
            inside = self._machine.inside(volume, each.segments, size=each.size, mapped=each.mapped)
            yield Inner(name=each.name, volume=inside, segments=each.segments)

    def _note(self, inner: Inner, content: str, free: int, doubt: str) -> None:
        part = Part(
            name=inner.name, content=content, size=inner.volume.size, free=free, doubt=doubt
        )
        log.info("%s", part)
        self.parts.append(part)


def expect_alone(volume: Volume) -> None:
    """Raises BadFormat if a filesystem may be in use otherwise than by being mounted here."""
    expect(not volume.holders, f"{volume.holders} are made of it")
    expect(
        volume.is_mounted or not volume.is_claimed, "it is in use, and it cannot be told by whom"
    )


def _content(volume: Volume, *, is_disk: bool) -> str:
    """What fills it, "" for unknown. Raises BadFormat if it can be taken for several things."""
    foreign.expect_none(volume)
    formats = (*signatures.FORMATS, signatures.md_at_end(volume.size))
    found = [
        content.file_system or ""
        for offset, size, parse in formats
        if 0 <= offset <= volume.size - size
        if (content := _parsed(volume.read(offset, size), parse))
    ]
    if md.is_old(volume.read, size=volume.size):
        found.append("linux_raid_member")
    if is_disk and has_table(volume.read):
        found.append("partitions")
    expect(len(found) <= 1, f"it can be taken for {' and for '.join(found)}")
    return found[0] if found else ""


def _parsed(raw: bytes, parse: signatures.Parse) -> Content | None:
    try:
        return parse(raw)
    except BadFormat:
        return None
