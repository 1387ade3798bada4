"""A physical volume of LVM2: which of its extents no logical volume has, and what the others are.

Formats: lib/format_text/layout.h of lvm2, and lvm_text.py here. Only plain volumes are looked
into: what thin pools, snapshots, mirrors and RAIDs are made of is used as a whole.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from rehost.errors import BadFormat
from rehost.model.ranges import Range
from rehost.storage import lvm
from rehost.storage.content import expect, number, text
from rehost.storage.used import lvm_text
from rehost.storage.used.lvm_text import Section
from rehost.storage.used.ranges import complement
from rehost.storage.used.volume import Read, Segment

SECTOR = 512
MAGIC = b" LVM2 x[5A%r0N*>"
CHECKSUM_START = 0xF597A6CF
IGNORED = 0x1  # flag of a place for metadata
MOST_METADATA = 8 << 20
IN_MOTION = {"PVMOVE", "LOCKED", "CONVERTING", "MERGING", "PARTIAL"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Logical:
    """A plain logical volume. `segments` are those on this physical volume, maybe not all.

    `mapped` is the device mapper's name for it.
    """

    name: str
    mapped: str
    size: int  # bytes
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """`names` are the device mapper's for all logical volumes of the group."""

    free: tuple[Range, ...]
    volumes: tuple[Logical, ...]
    names: tuple[str, ...]


def contents(read: Read, *, size: int) -> Contents:
    """Raises BadFormat where anything is in doubt."""
    identifier, areas = _label(read)
    expect(bool(areas), "its metadata is on other physical volumes")
    found = [_metadata(read, offset, length, size) for offset, length in areas]
    expect(all(other == found[0] for other in found), "its metadata is in two versions")
    whole = lvm_text.parse(found[0])
    expect(len(whole.sections) == 1, "not one volume group")
    [(name, group)] = whole.sections.items()
    return _contents(name, group, identifier, size)


def _label(read: Read) -> tuple[str, list[tuple[int, int]]]:
    """The physical volume's id, and where it has metadata."""
    head = read(lvm.OFFSET, lvm.SIZE)
    lvm.parse(head)
    at = next(at for at in range(0, lvm.SIZE, SECTOR) if head[at : at + 8] == b"LABELONE")
    label = head[at : at + SECTOR]
    expect(_checksum(label[20:]) == number(label, 16, 4), "a label with a wrong checksum")
    start = number(label, 20, 4)
    lists: list[list[tuple[int, int]]] = [[], []]
    place = start + 40
    for found in lists:
        while any(label[place : place + 16]):
            found.append((number(label, place, 8), number(label, place + 8, 8)))
            place += 16
        expect(place + 16 <= SECTOR, "a broken label")
        place += 16
    return text(label[start : start + 32]), lists[1]


def _metadata(read: Read, offset: int, length: int, size: int) -> str:
    """The text that is in force in a ring of `length` bytes."""
    expect(length > SECTOR and offset + length <= size, "a place for metadata is outside")
    header = read(offset, SECTOR)
    sound = header[4:20] == MAGIC and number(header, 24, 8) == offset
    expect(sound and number(header, 32, 8) == length, "a broken place for metadata")
    expect(_checksum(header[4:]) == number(header, 0, 4), "metadata with a wrong checksum")
    at, used, checksum, flags = (
        number(header, a, s) for a, s in ((40, 8), (48, 8), (56, 4), (60, 4))
    )
    expect(not flags & IGNORED, "a place for metadata is ignored")
    expect(not any(header[64:88]), "its metadata is being changed")
    expect(SECTOR <= at < length and 0 < used <= min(length, MOST_METADATA), "no metadata")
    first = min(used, length - at)
    raw = read(offset + at, first)
    if used > first:
        raw += read(offset + SECTOR, used - first)
    expect(_checksum(raw) == checksum, "metadata with a wrong checksum")
    return raw.rstrip(b"\0").decode()


def _checksum(raw: bytes) -> int:
    return zlib.crc32(raw, CHECKSUM_START ^ 0xFFFFFFFF) ^ 0xFFFFFFFF


def _contents(name: str, group: Section, identifier: str, size: int) -> Contents:
    physical = group.section("physical_volumes").sections
    here = [n for n, pv in physical.items() if pv.text("id").replace("-", "") == identifier]
    expect(len(here) == 1, "the volume group does not know this physical volume")
    pv, extent = physical[here[0]], group.number("extent_size") * SECTOR
    start, count = pv.number("pe_start") * SECTOR, pv.number("pe_count")
    expect(extent > 0 and 0 < start + count * extent <= size, "it is longer than the volume")
    logical = group.section("logical_volumes").sections
    taken: list[Range] = []
    volumes = []
    for lv_name, lv in logical.items():
        segments = tuple(_segments(lv, here[0], set(physical)))
        taken += [Range(s.below, s.length) for s in segments]
        if segments and _is_plain(lv_name, lv, logical):
            volumes.append(_logical(name, lv_name, lv, segments, start=start, extent=extent))
    in_order = sorted(taken)
    for one, other in pairwise(in_order):
        expect(one.end <= other.offset, "logical volumes overlap")
    expect(not in_order or in_order[-1].end <= count, "a logical volume is outside")
    free = (
        Range(start + r.offset * extent, r.length * extent) for r in complement(in_order, count)
    )
    names = tuple(_mapped(name, lv_name) for lv_name in logical)
    return Contents(free=tuple(free), volumes=tuple(volumes), names=names)


def _segments(lv: Section, here: str, physical: set[str]) -> Iterator[Segment]:
    """In extents: which of the volume's are where on this physical volume."""
    expect(not IN_MOTION & set(lv.texts("status")), "its extents are being moved")
    at = 0
    for index in range(1, lv.number("segment_count") + 1):
        segment = lv.section(f"segment{index}")
        count, kind = segment.number("extent_count"), segment.text("type")
        expect(segment.number("start_extent") == at and count > 0, "segments without order")
        if kind == "striped":
            yield from _stripes(segment, here, at, count)
        else:
            other = physical & set(segment.strings())
            expect(not other, f"segments of type {kind} are not understood")
        at += count


def _stripes(segment: Section, here: str, at: int, count: int) -> Iterator[Segment]:
    """Of several stripes only the places are right; such a volume is not plain."""
    pairs = segment.values.get("stripes", ())
    stripes = segment.number("stripe_count")
    expect(0 < stripes == len(pairs) // 2 and count % stripes == 0, "odd stripes")
    for name, start in zip(pairs[::2], pairs[1::2], strict=True):
        if not isinstance(start, int):
            raise BadFormat("odd stripes")
        if name == here:
            yield Segment(inside=at, below=start, length=count // stripes)


def _is_plain(name: str, lv: Section, logical: dict[str, Section]) -> bool:
    """Nothing else is made of it, and its bytes follow each other."""
    others = (other for n, other in logical.items() if n != name)
    return (
        "VISIBLE" in lv.texts("status")
        and not any(name in other.strings() for other in others)
        and all(s.texts("type") == ("striped",) for s in lv.sections.values())
        and all(s.number("stripe_count") == 1 for s in lv.sections.values())
    )


def _logical(
    group: str, name: str, lv: Section, segments: tuple[Segment, ...], *, start: int, extent: int
) -> Logical:
    return Logical(
        name=f"{group}/{name}",
        mapped=_mapped(group, name),
        size=sum(s.number("extent_count") for s in lv.sections.values()) * extent,
        segments=tuple(
            Segment(
                inside=s.inside * extent, below=start + s.below * extent, length=s.length * extent
            )
            for s in segments
        ),
    )


def _mapped(group: str, name: str) -> str:
    volume = lvm.Logical(group=group, name=name, size=0, attributes="")
    return volume.path.rpartition("/")[2]
