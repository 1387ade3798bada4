"""Free blocks of xfs. Format: "XFS Algorithms & Data Structures"; numbers are big-endian.

A mounted filesystem is asked through the kernel: what is on the disk lags behind its log, and xfs
has its own cache. Otherwise each allocation group has a tree of free extents by block number, and
a header that counts them.
"""

import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rehost.errors import BadFormat, FileUnreadable
from rehost.model.ranges import Range
from rehost.storage import xfs
from rehost.storage.content import big_number, expect
from rehost.storage.used.ranges import GRAIN
from rehost.storage.used.volume import Read, Volume
from rehost.storage.used.xfs_log import Log, is_clean
from rehost.system import fsmap

# sb_features_incompat: ftype, sparse inodes, meta_uuid, bigtime, nrext64, exchrange, parent
INCOMPAT = 0x1 | 0x2 | 0x4 | 0x8 | 0x20 | 0x40 | 0x80
RO_COMPAT = 0x1 | 0x2 | 0x4 | 0x8  # finobt, rmapbt, reflink, inobtcount
VERSION_BITS = 0xF
AGF_SIZE = 64
TREE_MAGIC = {4: b"ABTB", 5: b"AB3B"}
TREE_HEADER = {4: 16, 5: 56}
EXTENT = struct.Struct(">II")
NULL = 0xFFFFFFFF
DEEPEST = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    block_size: int
    sector: int
    blocks: int
    group_blocks: int
    groups: int
    version: int
    log: Log

    def blocks_of(self, group: int) -> int:
        return min(self.group_blocks, self.blocks - group * self.group_blocks)


def free(volume: Volume) -> Iterator[Range]:
    """In bytes, in order. Raises an Error where anything is in doubt."""
    layout = parse_layout(volume.read(0, xfs.SIZE), size=volume.size)
    if volume.is_mounted:
        yield from _of_kernel(volume)
        return
    expect(is_clean(volume.read, layout.log), "its log was not replayed")
    for group in range(layout.groups):
        start = group * layout.group_blocks * layout.block_size
        for extent in _of_group(volume.read, layout, group):
            if extent.length * layout.block_size >= GRAIN:
                yield Range(
                    start + extent.offset * layout.block_size, extent.length * layout.block_size
                )


def parse_layout(raw: bytes, *, size: int) -> Layout:
    """Raises BadFormat unless all of the superblock is understood."""
    xfs.parse(raw)
    version = big_number(raw, 100, 2) & VERSION_BITS
    expect(version in (4, 5), f"version {version}")
    if version == 5:
        unknown = (big_number(raw, 216, 4) & ~INCOMPAT, big_number(raw, 212, 4) & ~RO_COMPAT)
        expect(not any(unknown), f"features that are not known: {[hex(u) for u in unknown]}")
    expect(raw[126] == 0, "it is not complete")  # sb_inprogress
    layout = Layout(
        block_size=big_number(raw, 4, 4),
        sector=big_number(raw, 102, 2),
        blocks=big_number(raw, 8, 8),
        group_blocks=big_number(raw, 84, 4),
        groups=big_number(raw, 88, 4),
        version=version,
        log=_log(raw),
    )
    expect(layout.block_size in {512 << n for n in range(8)}, "odd blocks")
    expect(layout.sector in {512 << n for n in range(7)}, "odd sectors")
    expect(0 < layout.blocks * layout.block_size <= size, "it is longer than the volume")
    expect(layout.group_blocks > 0, "odd allocation groups")
    expect(layout.groups == -(-layout.blocks // layout.group_blocks), "odd allocation groups")
    expect(layout.log.offset + layout.log.size <= size, "its log is outside")
    return layout


def _log(raw: bytes) -> Log:
    start, block_size = big_number(raw, 48, 8), big_number(raw, 4, 4)
    expect(start > 0, "its log is on another device")
    bits = raw[124]  # of a block's number within its group
    expect(bits < 32, "odd allocation groups")
    group, block = start >> bits, start & ((1 << bits) - 1)
    offset = (group * big_number(raw, 84, 4) + block) * block_size
    return Log(offset=offset, size=big_number(raw, 96, 4) * block_size)


def _of_kernel(volume: Volume) -> Iterator[Range]:
    expect(volume.node is not None and bool(volume.mount_points), "no path leads into it")
    device = os.stat(volume.node or "").st_rdev  # noqa: PTH116
    failed = ""
    for path in volume.mount_points:
        try:
            for extent in fsmap.free_space(path, device=device):
                if extent.length >= GRAIN:
                    yield extent
        except FileUnreadable as e:
            failed = str(e)
        else:
            return
    raise BadFormat(failed)


def _of_group(read: Read, layout: Layout, group: int) -> Iterator[Range]:
    """Free extents in blocks of the group, in order; they must be as many as its header says."""
    start = group * layout.group_blocks * layout.block_size
    agf = read(start + layout.sector, AGF_SIZE)
    blocks = layout.blocks_of(group)
    expect(agf[:4] == b"XAGF" and big_number(agf, 8, 4) == group, f"group {group} has no header")
    expect(big_number(agf, 12, 4) == blocks, f"group {group} has another length")

    def block(number: int) -> bytes:
        expect(0 < number < blocks, f"group {group} has a tree outside of it")
        return read(start + number * layout.block_size, layout.block_size)

    counted = at = 0
    for extent in _leaves(
        block, layout, root=big_number(agf, 16, 4), levels=big_number(agf, 28, 4)
    ):
        inside = at <= extent.offset < extent.end <= blocks
        expect(inside, f"group {group} has free extents without order")
        at, counted = extent.end, counted + extent.length
        yield extent
    expect(counted == big_number(agf, 52, 4), f"group {group} has another count of free blocks")


def _leaves(
    block: Callable[[int], bytes], layout: Layout, *, root: int, levels: int
) -> Iterator[Range]:
    """The tree's records, from the leftmost leaf on to its right neighbours."""
    expect(0 < levels <= DEEPEST, "an odd tree of free extents")
    header = TREE_HEADER[layout.version]
    number, left = root, NULL
    for level in range(levels - 1, 0, -1):
        raw = _node(block(number), layout, level)
        room = (layout.block_size - header) // (EXTENT.size + 4)
        number = big_number(raw, header + room * EXTENT.size, 4)
    while number != NULL:
        raw = _node(block(number), layout, 0)
        expect(big_number(raw, 8, 4) == left, "a leaf has another neighbour")
        end = header + big_number(raw, 6, 2) * EXTENT.size
        for start, length in EXTENT.iter_unpack(raw[header:end]):
            yield Range(start, length)
        number, left = big_number(raw, 12, 4), number


def _node(raw: bytes, layout: Layout, level: int) -> bytes:
    room = (layout.block_size - TREE_HEADER[layout.version]) // (EXTENT.size + (4 if level else 0))
    sound = big_number(raw, 4, 2) == level and big_number(raw, 6, 2) <= room
    expect(raw[:4] == TREE_MAGIC[layout.version] and sound, "a broken tree of free extents")
    return raw
