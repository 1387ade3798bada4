"""Where the partitions of a disk are. Formats: the PC's master boot record with its chain of
extended records; UEFI specification, chapter 5 (GPT).

Only a table that is whole and consistent is believed.
"""

import zlib
from collections.abc import Iterator
from itertools import pairwise

from rehost.errors import BadFormat
from rehost.model.ranges import Range, between
from rehost.storage.content import expect, number
from rehost.storage.partitions import EXTENDED, PROTECTIVE, SIZE, is_filesystem, parse
from rehost.storage.used.volume import Read

EXTENDED_TYPES = {int(t, 16) for t in EXTENDED}
# Parts of volumes that Windows describes elsewhere: what begins like a filesystem may go on
# in another place.
DYNAMIC_MBR = 0x42
DYNAMIC_GPT = {
    "af9b60a0-1431-4f62-bc68-3311714a69ad",
    "5808c8aa-7e8f-42e0-85d2-e1e90434cfb3",
    "e75caf8f-f680-4cee-afa3-b001e56efc2d",  # Storage Spaces
}
LONGEST_CHAIN = 256
MOST_ENTRIES = 4096


def has_table(read: Read) -> bool:
    """There is one, whole or broken, or something that looks like one."""
    head = read(0, 512)
    if any(read(at, 8) == b"EFI PART" for at in (512, 4096)):
        return True
    return head[510:] == b"\x55\xaa" and any(head[446:510]) and not is_filesystem(head)


def partitions(read: Read, *, size: int, sector: int | None) -> tuple[Range, ...]:
    """In order of their place. Raises BadFormat if there is no table, or any doubt about it.

    `sector` is what the disk counts in, None for an image.
    """
    table = parse(read(0, min(SIZE, size)))
    found = _gpt(read, size, sector) if table.style == "GPT" else _mbr(read, size, sector or 512)
    expect(not DYNAMIC_GPT & set(table.types.values()), "dynamic disks are not understood")
    in_order = tuple(sorted(found))
    for here, after in pairwise(in_order):
        expect(here.end <= after.offset, "partitions overlap")
    expect(not in_order or in_order[-1].end <= size, "a partition ends after the disk")
    return in_order


def _mbr(read: Read, size: int, sector: int) -> Iterator[Range]:
    for kind, start, length in _entries(read(0, 512)):
        where = Range(offset=start * sector, length=length * sector)
        expect(where.end <= size, "a partition ends after the disk")
        if kind in EXTENDED_TYPES:
            yield from _logical(read, where, sector)
        else:
            yield where


def _logical(read: Read, extended: Range, sector: int) -> Iterator[Range]:
    """The chain of records: each describes a partition, and says where the next record is."""
    at = extended.offset
    for _ in range(LONGEST_CHAIN):
        record = read(at, 512)
        expect(record[510:] == b"\x55\xaa", "an extended boot record is broken")
        following = 0
        for kind, start, length in _entries(record):
            if kind in EXTENDED_TYPES:
                following = extended.offset + start * sector
            else:
                found = Range(offset=at + start * sector, length=length * sector)
                inside = extended.offset < found.offset and found.end <= extended.end
                expect(inside, "a logical partition is outside of the extended one")
                yield found
        if not following:
            return
        expect(at < following < extended.end, "the extended boot records are no chain")
        at = following
    raise BadFormat("the chain of extended boot records has no end")


def _entries(record: bytes) -> Iterator[tuple[int, int, int]]:
    for at in range(446, 510, 16):
        kind, start, length = record[at + 4], number(record, at + 8, 4), number(record, at + 12, 4)
        if kind and length:
            expect(kind != DYNAMIC_MBR, "dynamic disks are not understood")
            yield kind, start, length


def _gpt(read: Read, size: int, expected: int | None) -> tuple[Range, ...]:
    """Both tables must say the same, and the protective record nothing else."""
    kinds = {kind for kind, _, _ in _entries(read(0, 512))}
    expect(kinds == {PROTECTIVE}, "a hybrid of MBR and GPT")
    sector = next((s for s in (512, 4096) if read(s, 8) == b"EFI PART"), 0)
    expect(sector in ((expected,) if expected else (512, 4096)), "no GPT behind a protective MBR")
    header = _gpt_header(read, sector, sector)
    other = number(header, 32, 8) * sector
    expect(sector < other <= size - sector, "the second GPT is outside of the disk")
    first, second = (
        _gpt_entries(read, h, sector) for h in (header, _gpt_header(read, other, sector))
    )
    expect(first == second, "the two GPTs differ")
    usable = between(number(header, 40, 8) * sector, (number(header, 48, 8) + 1) * sector)
    for found in first:
        inside = usable.offset <= found.offset < found.end <= usable.end
        expect(inside, "a partition is outside of the usable part of the disk")
    return first


def _gpt_header(read: Read, at: int, sector: int) -> bytes:
    header = read(at, sector)
    length = number(header, 12, 4)
    expect(header[:8] == b"EFI PART" and 92 <= length <= sector, "no GPT header")
    blank = header[:16] + bytes(4) + header[20:length]
    expect(zlib.crc32(blank) == number(header, 16, 4), "the GPT header's checksum is wrong")
    expect(number(header, 24, 8) * sector == at, "the GPT header belongs elsewhere")
    return header


def _gpt_entries(read: Read, header: bytes, sector: int) -> tuple[Range, ...]:
    count, length = number(header, 80, 4), number(header, 84, 4)
    expect(0 < count <= MOST_ENTRIES and 128 <= length <= 4096, "odd GPT entries")
    raw = read(number(header, 72, 8) * sector, count * length)
    expect(zlib.crc32(raw) == number(header, 88, 4), "the GPT entries' checksum is wrong")
    entries = (raw[at : at + length] for at in range(0, len(raw), length))
    return tuple(
        between(number(e, 32, 8) * sector, (number(e, 40, 8) + 1) * sector)
        for e in entries
        if any(e[:16])
    )
