"""Free blocks of ext2, ext3 and ext4. Format: the kernel's Documentation/filesystems/ext4.

Each group of blocks has a bitmap, and a descriptor that counts the zeros in it. The two must agree.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from rehost.model.ranges import Range, between
from rehost.storage import ext
from rehost.storage.content import expect, number
from rehost.storage.used.ranges import GRAIN, complement, merged, zero_runs
from rehost.storage.used.volume import Read, Volume

COMPAT = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x20 | 0x200 | 0x400 | 0x800 | 0x1000
SPARSE_SUPER2 = 0x200
# filetype, recover, meta_bg, extents, 64bit, mmp, flex_bg, ea_inode, csum_seed, largedir,
# inline_data, encrypt, casefold
INCOMPAT = 0x2 | 0x4 | 0x10 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x2000 | 0x4000 | 0x38000
INCOMPAT_RECOVER, INCOMPAT_META_BG = 0x4, 0x10
# sparse_super, large_file, btree_dir, huge_file, gdt_csum, dir_nlink, extra_isize, quota,
# metadata_csum, read-only, project, verity, orphan_present; not bigalloc
RO_COMPAT = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x20 | 0x40 | 0x100 | 0x400 | 0x1000 | 0x2000 | 0x18000
RO_COMPAT_SPARSE_SUPER, RO_COMPAT_GDT_CSUM, RO_COMPAT_METADATA_CSUM = 0x1, 0x10, 0x400
RO_COMPAT_ORPHAN_PRESENT = 0x10000
STATE_CLEAN, STATE_ERRORS = 0x1, 0x2
BLOCK_UNINIT = 0x2  # of a group: its bitmap was never written
AT_ONCE = 256  # bitmaps in one read
TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What the superblock says. Blocks are numbered from the start of the volume."""

    block_size: int
    blocks: int
    first_block: int
    per_group: int
    table_blocks: int  # of a group's inodes
    descriptor_size: int
    reserved: int  # blocks after the descriptors, for more of them
    compat: int
    incompat: int
    ro_compat: int
    first_meta_group: int
    backups: tuple[int, int]

    @property
    def groups(self) -> int:
        return -(-(self.blocks - self.first_block) // self.per_group)

    @property
    def descriptor_blocks(self) -> int:
        return -(-self.groups * self.descriptor_size // self.block_size)

    def group(self, index: int) -> Range:
        start = self.first_block + index * self.per_group
        return between(start, min(start + self.per_group, self.blocks))


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    bitmap: int
    inode_bitmap: int
    inode_table: int
    free: int
    is_blank: bool


def free(volume: Volume) -> Iterator[Range]:
    """In bytes, in order. Raises BadFormat where anything is in doubt.

    A mounted filesystem is read through the cache in which it keeps its bitmaps: what it has
    allocated when this begins is never free here, whatever it has written out.
    """
    read = volume.read_cached if volume.is_mounted else volume.read
    layout = parse_layout(read(ext.OFFSET, ext.SIZE), size=volume.size, mounted=volume.is_mounted)
    groups = _groups(read, layout)
    metadata = _metadata(layout, groups)
    at = 0
    for index, blocks in _free_in_groups(read, layout, groups, mounted=volume.is_mounted):
        group = layout.group(index)
        while at < len(metadata) and metadata[at].end <= group.offset:
            at += 1
        kept = list(_without(blocks, metadata, at, group))
        if groups[index].is_blank and sum(r.length for r in kept) != groups[index].free:
            expect(volume.is_mounted, f"group {index} is not blank as it says")
            continue
        for r in kept:
            yield Range(offset=r.offset * layout.block_size, length=r.length * layout.block_size)


def parse_layout(raw: bytes, *, size: int, mounted: bool) -> Layout:
    """Raises BadFormat unless all of it is understood, and is as it is in a sound filesystem."""
    content = ext.parse(raw)
    block_size, blocks = content.block_size or 0, content.blocks or 0
    has_revision = number(raw, 76, 4) > 0
    compat, incompat, ro_compat = (
        number(raw, at, 4) if has_revision else 0 for at in (92, 96, 100)
    )
    _expect_known(compat, incompat, ro_compat)
    _expect_sound(raw, mounted=mounted)
    layout = Layout(
        block_size=block_size,
        blocks=blocks,
        first_block=number(raw, 20, 4),
        per_group=number(raw, 32, 4),
        table_blocks=-(-number(raw, 40, 4) * (content.inode_size or 0) // block_size),
        descriptor_size=number(raw, 254, 2) if incompat & ext.INCOMPAT_64BIT else 32,
        reserved=number(raw, 206, 2),
        compat=compat,
        incompat=incompat,
        ro_compat=ro_compat,
        first_meta_group=number(raw, 260, 4) if incompat & INCOMPAT_META_BG else 1 << 32,
        backups=(number(raw, 588, 4), number(raw, 592, 4)),
    )
    expect(0 < blocks * block_size <= size, "the filesystem is longer than the volume")
    expect(layout.first_block == (1 if block_size == 1024 else 0), "an odd first block")
    expect(0 < layout.per_group <= 8 * block_size and layout.per_group % 8 == 0, "odd groups")
    expect(layout.descriptor_size in (32, 64, 128), "odd group descriptors")
    expect(0 < layout.table_blocks < layout.per_group, "odd inode tables")
    return layout


def _expect_known(compat: int, incompat: int, ro_compat: int) -> None:
    unknown = (compat & ~COMPAT, incompat & ~INCOMPAT, ro_compat & ~RO_COMPAT)
    expect(not any(unknown), f"features that are not known: {[hex(u) for u in unknown]}")


def _expect_sound(raw: bytes, *, mounted: bool) -> None:
    state = number(raw, 58, 2)
    expect(not state & STATE_ERRORS, "the filesystem has recorded errors")
    if not mounted:
        expect(bool(state & STATE_CLEAN), "it was not unmounted cleanly")
        expect(not number(raw, 96, 4) & INCOMPAT_RECOVER, "its journal was not replayed")
        expect(not number(raw, 100, 4) & RO_COMPAT_ORPHAN_PRESENT, "it has orphan files")


def _groups(read: Read, layout: Layout) -> list[Group]:
    groups: list[Group] = []
    for index in range(layout.descriptor_blocks):
        raw = read(_descriptor_block(layout, index) * layout.block_size, layout.block_size)
        for at in range(0, layout.block_size, layout.descriptor_size):
            if len(groups) < layout.groups:
                groups.append(_group(raw[at : at + layout.descriptor_size], layout))
    return groups


def _descriptor_block(layout: Layout, index: int) -> int:
    if index < layout.first_meta_group:
        return layout.first_block + 1 + index
    group = index * (layout.block_size // layout.descriptor_size)
    return layout.group(group).offset + int(_has_superblock(layout, group))


def _group(raw: bytes, layout: Layout) -> Group:
    wide = len(raw) >= 64
    bitmap, inode_bitmap, inode_table = (
        number(raw, at, 4) | (number(raw, 0x20 + at, 4) << 32 if wide else 0) for at in (0, 4, 8)
    )
    for block, length in ((bitmap, 1), (inode_bitmap, 1), (inode_table, layout.table_blocks)):
        expect(
            layout.first_block <= block <= layout.blocks - length, "a group's metadata is outside"
        )
    has_flags = layout.ro_compat & (RO_COMPAT_GDT_CSUM | RO_COMPAT_METADATA_CSUM)
    return Group(
        bitmap=bitmap,
        inode_bitmap=inode_bitmap,
        inode_table=inode_table,
        free=number(raw, 12, 2) | (number(raw, 0x2C, 2) << 16 if wide else 0),
        is_blank=bool(has_flags and number(raw, 18, 2) & BLOCK_UNINIT),
    )


def _metadata(layout: Layout, groups: list[Group]) -> list[Range]:
    """Where superblocks, descriptors, bitmaps and inode tables are, in blocks, sorted.

    Neighbours in their kind are joined first: a filesystem of 16 TiB has 400,000 of them.
    """
    heads = (_head(layout, index) for index in range(layout.groups))
    kinds = (
        (head for head in heads if head.length),
        (Range(offset=g.bitmap, length=1) for g in groups),
        (Range(offset=g.inode_bitmap, length=1) for g in groups),
        (Range(offset=g.inode_table, length=layout.table_blocks) for g in groups),
    )
    return list(merged(sorted(r for kind in kinds for r in _joined(kind))))


def _joined(ranges: Iterator[Range]) -> Iterator[Range]:
    last: Range | None = None
    for this in ranges:
        if last and last.end == this.offset:
            last = between(last.offset, this.end)
            continue
        if last:
            yield last
        last = this
    if last:
        yield last


def _head(layout: Layout, index: int) -> Range:
    """A group's copy of the superblock and the descriptors."""
    start, has_superblock = layout.group(index).offset, _has_superblock(layout, index)
    length = 1 if has_superblock else 0
    per_block = layout.block_size // layout.descriptor_size
    if index // per_block >= layout.first_meta_group:
        length += int(index % per_block in (0, 1, per_block - 1))
    elif has_superblock:
        is_mixed = layout.incompat & INCOMPAT_META_BG
        length += layout.first_meta_group if is_mixed else layout.descriptor_blocks
        length += layout.reserved
    return between(start, min(start + length, layout.blocks))


def _has_superblock(layout: Layout, index: int) -> bool:
    if index == 0:
        return True
    if layout.compat & SPARSE_SUPER2:
        return index in layout.backups
    return (
        index == 1
        or not layout.ro_compat & RO_COMPAT_SPARSE_SUPER
        or any(_is_power(index, base) for base in (3, 5, 7))
    )


def _is_power(number: int, base: int) -> bool:
    while number % base == 0:
        number //= base
    return number == 1


def _free_in_groups(
    read: Read, layout: Layout, groups: list[Group], *, mounted: bool
) -> Iterator[tuple[int, list[Range]]]:
    """In blocks, for each group that has any. What is shorter than GRAIN may be left out."""
    for first, last in _runs(groups):
        size = layout.block_size
        bitmaps = read(groups[first].bitmap * size, (last - first + 1) * size)
        for index in range(first, last + 1):
            at = (index - first) * size
            group, bitmap = layout.group(index), bitmaps[at : at + size]
            if groups[index].is_blank:
                yield index, [group]
            elif settled := _settled(read, layout, index, groups[index], bitmap, mounted=mounted):
                yield index, list(_zeros(settled, group, least=max(1, GRAIN // size // 8)))


def _runs(groups: list[Group]) -> Iterator[tuple[int, int]]:
    """First and last of the groups whose bitmaps lie side by side."""
    first = 0
    for index in range(1, len(groups) + 1):
        if (
            index == len(groups)
            or groups[index].bitmap != groups[index - 1].bitmap + 1
            or index - first == AT_ONCE
        ):
            yield first, index - 1
            first = index


def _settled(
    read: Read, layout: Layout, index: int, group: Group, bitmap: bytes, *, mounted: bool
) -> bytes | None:
    """The bitmap, if it has as many zeros as its descriptor says.

    They change together while files are written, but are read one after the other. A group that
    never agrees is given up: all of it counts as used.
    """
    length = layout.group(index).length
    for _ in range(TRIES):
        if _count_zeros(bitmap, length) == group.free:
            return bitmap
        expect(mounted, f"the bitmap of group {index} has not {group.free} zeros")
        group = _read_group(read, layout, index)
        bitmap = read(group.bitmap * layout.block_size, layout.block_size)
    return None


def _read_group(read: Read, layout: Layout, index: int) -> Group:
    block, at = divmod(index, layout.block_size // layout.descriptor_size)
    start = _descriptor_block(layout, block) * layout.block_size + at * layout.descriptor_size
    return _group(read(start, layout.descriptor_size), layout)


def _count_zeros(bitmap: bytes, bits: int) -> int:
    return bits - (int.from_bytes(bitmap, "little") & ((1 << bits) - 1)).bit_count()


def _zeros(bitmap: bytes, group: Range, *, least: int) -> Iterator[Range]:
    for run in zero_runs(bitmap, least=least):
        if run.offset < group.length:
            yield between(group.offset + run.offset, min(group.offset + run.end, group.end))


def _without(blocks: list[Range], metadata: list[Range], at: int, group: Range) -> Iterator[Range]:
    """The free blocks of a group, but for metadata; those before `at` are before the group."""
    inside = []
    while at < len(metadata) and metadata[at].offset < group.end:
        inside.append(metadata[at])
        at += 1
    for r in blocks:
        shifted = (
            between(max(m.offset, r.offset) - r.offset, m.end - r.offset)
            for m in inside
            if m.end > r.offset
        )
        for gap in complement(shifted, r.length):
            yield between(r.offset + gap.offset, r.offset + gap.end)
