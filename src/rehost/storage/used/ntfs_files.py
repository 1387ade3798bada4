"""Files of NTFS by their number in the master file table. Format: the kernel's fs/ntfs3/ntfs.h."""

from collections.abc import Iterator
from dataclasses import dataclass

from rehost.errors import BadFormat
from rehost.storage import ntfs
from rehost.storage.content import expect, number
from rehost.storage.used.volume import Read

ATTRIBUTE_LIST, VOLUME_INFORMATION, DATA = 0x20, 0x70, 0x80
END = 0xFFFFFFFF
SECTOR = 512
IN_USE = 0x1
PACKED = 0x8000 | 0x4000 | 0xFF  # flags of an attribute: sparse, encrypted, compressed


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    cluster: int  # bytes
    clusters: int
    record: int  # bytes
    mft: int  # cluster


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Clusters of a file from its cluster `first` on."""

    first: int
    cluster: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """`value` if it is resident in its record, else `runs`. `size` is in bytes."""

    kind: int
    is_named: bool
    value: bytes | None
    runs: tuple[Run, ...]
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    attributes: tuple[Attribute, ...]

    def find(self, kind: int) -> Iterator[Attribute]:
        return (a for a in self.attributes if a.kind == kind)

    @property
    def data(self) -> Attribute:
        """Its content, which must be in one piece. Raises BadFormat."""
        expect(not any(self.find(ATTRIBUTE_LIST)), "a file with a list of attributes")
        found = [a for a in self.find(DATA) if not a.is_named]
        expect(len(found) == 1, "a file without content")
        return found[0]


def parse_layout(boot_sector: bytes, *, size: int) -> Layout:
    """Raises BadFormat unless this is a boot sector for a volume of `size` bytes."""
    content = ntfs.parse(boot_sector)
    cluster, clusters = content.block_size or 0, content.blocks or 0
    expect(cluster in {512 << n for n in range(13)}, "odd clusters")
    expect(0 < clusters * cluster <= size, "it is longer than the volume")
    per_record = int.from_bytes(boot_sector[64:65], "little", signed=True)
    record = per_record * cluster if per_record > 0 else 1 << min(-per_record, 32)
    expect(record in (1024, 2048, 4096), "odd file records")
    mft = number(boot_sector, 48, 8)
    expect(0 < mft < clusters, "its file table is outside")
    return Layout(cluster=cluster, clusters=clusters, record=record, mft=mft)


def record_of(read: Read, layout: Layout, mft: Record | None, index: int) -> Record:
    """A file's record; the table's own, the first, is found without it. Raises BadFormat."""
    at = index * layout.record
    if mft is None:
        raw = read(layout.mft * layout.cluster + at, layout.record)
    else:
        [table] = (a for a in mft.find(DATA) if not a.is_named)
        raw = content_at(read, layout, table, at, layout.record)
    raw = fixed(raw, b"FILE")
    expect(bool(number(raw, 22, 2) & IN_USE), f"file {index} is not in use")
    expect(number(raw, 32, 8) == 0, f"file {index} is a part of another")
    return Record(attributes=tuple(_attributes(raw, layout)))


def content_at(read: Read, layout: Layout, of: Attribute, offset: int, size: int) -> bytes:
    """Bytes of an attribute. Raises BadFormat if it has not so many."""
    expect(0 <= offset <= offset + size <= of.size, "a file is too short")
    if of.value is not None:
        return of.value[offset : offset + size]
    parts, end = [], offset + size
    for run in of.runs:
        start, stop = run.first * layout.cluster, (run.first + run.length) * layout.cluster
        if start <= offset < min(stop, end):
            length = min(stop, end) - offset
            parts.append(read(run.cluster * layout.cluster + offset - start, length))
            offset += length
    expect(offset == end, "a file has gaps")
    return b"".join(parts)


def fixed(raw: bytes, magic: bytes) -> bytes:
    """A record with the ends of its sectors put back, which prove that it was written whole."""
    at, count = number(raw, 4, 2), number(raw, 6, 2)
    expect(raw.startswith(magic) and count > 1, "no record of NTFS")
    expect((count - 1) * SECTOR <= len(raw) and at + 2 * count <= len(raw), "a broken record")
    whole = bytearray(raw)
    for n in range(1, count):
        end = n * SECTOR
        expect(raw[end - 2 : end] == raw[at : at + 2], "a record that was not written whole")
        whole[end - 2 : end] = raw[at + 2 * n : at + 2 * n + 2]
    return bytes(whole)


def _attributes(raw: bytes, layout: Layout) -> Iterator[Attribute]:
    at = number(raw, 20, 2)
    while (kind := number(raw, at, 4)) != END:
        length = number(raw, at + 4, 4)
        expect(24 <= length <= len(raw) - at, "a broken attribute")
        yield _attribute(kind, raw[at : at + length], layout)
        at += length


def _attribute(kind: int, raw: bytes, layout: Layout) -> Attribute:
    is_named = raw[9] > 0
    if not raw[8]:
        size, start = number(raw, 16, 4), number(raw, 20, 2)
        expect(start + size <= len(raw), "a broken attribute")
        value = raw[start : start + size]
        return Attribute(kind=kind, is_named=is_named, value=value, runs=(), size=size)
    expect(len(raw) >= 64, "a broken attribute")
    is_plain = not number(raw, 12, 2) & PACKED
    size = min(number(raw, 48, 8), number(raw, 56, 8)) if is_plain else 0
    runs = tuple(_runs(raw[number(raw, 32, 2) :], number(raw, 16, 8), layout)) if is_plain else ()
    return Attribute(kind=kind, is_named=is_named, value=None, runs=runs, size=size)


def _runs(pairs: bytes, first: int, layout: Layout) -> Iterator[Run]:
    at = cluster = 0
    while at < len(pairs) and pairs[at]:
        lengths, offsets = pairs[at] & 15, pairs[at] >> 4
        after = at + 1 + lengths + offsets
        expect(
            0 < lengths <= 8 and offsets <= 8 and after <= len(pairs), "a broken run of clusters"
        )
        length = number(pairs, at + 1, lengths)
        jump = pairs[at + 1 + lengths : after]
        if not jump:
            raise BadFormat("a file that must not be sparse is")
        cluster += int.from_bytes(jump, "little", signed=True)
        inside = length > 0 and 0 <= cluster <= cluster + length <= layout.clusters
        expect(inside, "a run of clusters is outside")
        yield Run(first=first, cluster=cluster, length=length)
        first, at = first + length, after
