"""Free space of btrfs on one of its devices: between the extents of its chunks, and between chunks.

A mounted filesystem is asked through the kernel, after a commit: extents that were written before
are then in the extent tree. Otherwise the trees are read, if a copy of each is on this device.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from uuid import UUID

from rehost.errors import BadFormat, FileUnreadable
from rehost.model.ranges import Range, between
from rehost.storage import btrfs
from rehost.storage.content import expect, number
from rehost.storage.used.btrfs_trees import (
    CHUNK_ITEM,
    CHUNK_TREE,
    Chunk,
    Superblock,
    Trees,
    parse_chunk,
    parse_superblock,
)
from rehost.storage.used.ranges import GRAIN, complement
from rehost.storage.used.volume import Volume
from rehost.system import holders
from rehost.system.btrfs_search import LAST, Item, Search

EXTENT_TREE, BLOCK_GROUP_TREE = 2, 11
EXTENT_ITEM, METADATA_ITEM, BLOCK_GROUP_ITEM = 168, 169, 192
# Boot loaders use the beginning; copies of the superblock are nobody's extents.
KEPT = (
    between(0, 1 << 20),
    Range(64 << 20, 64 << 10),
    Range(256 << 30, 64 << 10),
)


def free(volume: Volume) -> Iterator[Range]:
    """In bytes, in no order. Raises an Error where anything is in doubt."""
    superblock = parse_superblock(volume.read(btrfs.OFFSET, btrfs.SIZE), size=volume.size)
    found = _of_kernel(volume, superblock) if volume.is_mounted else _of_disk(volume, superblock)
    return (r for hole in found for r in _without_kept(hole) if r.length >= GRAIN)


def _of_disk(volume: Volume, superblock: Superblock) -> Iterator[Range]:
    expect(superblock.log == 0, "its log was not replayed")
    trees = Trees(volume.read, superblock)
    chunks = _chunks(trees.chunks())
    trees.use(chunks)
    groups: dict[int, int] = {}
    used: Counter[int] = Counter()

    def extents() -> Iterator[Range]:
        for item in trees.items(EXTENT_TREE):
            if item.kind == BLOCK_GROUP_ITEM:
                groups[item.objectid] = number(item.data, 0, 8)
            for extent in _extent(item, superblock):
                chunk = _chunk_of(chunks, extent)
                if chunk is None:
                    raise BadFormat("an extent is outside of all chunks")
                used[chunk.address] += extent.length
                yield extent

    for chunk, gap in _gaps(chunks, extents()):
        yield from _places(chunk, gap, superblock)
    if trees.has(BLOCK_GROUP_TREE):
        groups = {
            item.objectid: number(item.data, 0, 8)
            for item in trees.items(BLOCK_GROUP_TREE)
            if item.kind == BLOCK_GROUP_ITEM
        }
    expect(used == Counter(groups), "the extents are not as many as its block groups say")
    allocated = sum(r.length for r in _allocated(chunks, superblock))
    expect(allocated == superblock.allocated, "the chunks are not as long as its superblock says")
    yield from complement(_allocated(chunks, superblock), superblock.device_size)


def _of_kernel(volume: Volume, superblock: Superblock) -> Iterator[Range]:
    names = holders.btrfs_devices(str(UUID(bytes=superblock.fsid)))
    expect(Path(volume.node or "none").resolve().name in names, "another device is mounted for it")
    failed = "no path leads into it"
    for mount in holders.mounts():
        if mount.file_system == "btrfs" and Path(mount.source).resolve().name in names:
            try:
                search = Search(mount.path)
            except FileUnreadable as e:
                failed = str(e)
                continue
            try:
                if search.fsid() == superblock.fsid:
                    yield from _of_search(search, superblock)
                    return
            finally:
                search.close()
    raise BadFormat(failed)


def _of_search(search: Search, superblock: Superblock) -> Iterator[Range]:
    """Chunks that are made after they were asked for are filled by writes that are tracked."""
    search.commit()
    chunks = _chunks(search.items(CHUNK_TREE, (0, 0, 0), (LAST, 255, LAST)))
    items = search.items(EXTENT_TREE, (0, 0, 0), (LAST, 255, LAST))
    extents = (r for item in items for r in _extent(item, superblock) if _chunk_of(chunks, r))
    for chunk, gap in _gaps(chunks, extents):
        yield from _places(chunk, gap, superblock)
    yield from complement(_allocated(chunks, superblock), superblock.device_size)


def _chunks(items: Iterable[Item]) -> tuple[Chunk, ...]:
    """In order of address."""
    found = [parse_chunk(item.offset, item.data) for item in items if item.kind == CHUNK_ITEM]
    for here, after in pairwise(found):
        expect(here.end <= after.address, "chunks overlap")
    return tuple(found)


def _extent(item: Item, superblock: Superblock) -> Iterator[Range]:
    if item.kind == EXTENT_ITEM:
        yield Range(item.objectid, item.offset)
    elif item.kind == METADATA_ITEM:
        yield Range(item.objectid, superblock.node_size)


def _chunk_of(chunks: tuple[Chunk, ...], extent: Range) -> Chunk | None:
    """None for an extent of a chunk that was made after the chunks were asked for."""
    index = bisect_right(chunks, extent.offset, key=lambda chunk: chunk.address) - 1
    return chunks[index] if index >= 0 and extent.end <= chunks[index].end else None


def _gaps(chunks: tuple[Chunk, ...], extents: Iterable[Range]) -> Iterator[tuple[Chunk, Range]]:
    """Addresses of each chunk without an extent. Both are in order; extents may overlap."""
    at, left = 0, iter(chunks)
    chunk = next(left, None)
    for extent in extents:
        while chunk and extent.offset >= chunk.end:
            if max(at, chunk.address) < chunk.end:
                yield chunk, between(max(at, chunk.address), chunk.end)
            chunk = next(left, None)
        if chunk and max(at, chunk.address) < extent.offset:
            yield chunk, between(max(at, chunk.address), extent.offset)
        at = max(at, extent.end)
    for last in (chunk, *left) if chunk else ():
        if max(at, last.address) < last.end:
            yield last, between(max(at, last.address), last.end)


def _places(chunk: Chunk, gap: Range, superblock: Superblock) -> Iterator[Range]:
    """Where a gap is on this device; a striped chunk is used as a whole."""
    if gap.length >= GRAIN and not chunk.is_striped:
        for stripe in chunk.stripes:
            if stripe.device == superblock.device:
                yield Range(stripe.offset + gap.offset - chunk.address, gap.length)


def _allocated(chunks: tuple[Chunk, ...], superblock: Superblock) -> list[Range]:
    """What chunks take of this device, in order."""
    found = sorted(
        Range(stripe.offset, chunk.stripe_length)
        for chunk in chunks
        for stripe in chunk.stripes
        if stripe.device == superblock.device
    )
    for here, after in pairwise(found):
        expect(here.end <= after.offset, "chunks overlap")
    expect(not found or found[-1].end <= superblock.device_size, "a chunk is outside")
    return found


def _without_kept(hole: Range) -> Iterator[Range]:
    kept = (
        between(max(k.offset, hole.offset) - hole.offset, k.end - hole.offset)
        for k in KEPT
        if k.end > hole.offset
    )
    for gap in complement(kept, hole.length):
        yield Range(hole.offset + gap.offset, gap.length)
