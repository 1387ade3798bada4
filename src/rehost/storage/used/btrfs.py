"""Free space of btrfs on one of its devices: between the extents of its chunks, and between chunks.

A mounted filesystem is asked through the kernel, after a commit: extents that were written before
are then in the extent tree. Otherwise the trees are read, if a copy of each is on this device.
"""

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
    HEADER,
    Chunk,
    Superblock,
    Trees,
    headers,
    parse_chunk,
    parse_superblock,
)
from rehost.storage.used.ranges import GRAIN, complement
from rehost.storage.used.volume import Volume
from rehost.system import holders
from rehost.system.btrfs_search import LAST, Item, Key, Search

EXTENT_TREE, BLOCK_GROUP_TREE = 2, 11
EXTENT_ITEM, METADATA_ITEM, BLOCK_GROUP_ITEM = 168, 169, 192
Extent = tuple[int, int]  # its address, and the one behind it
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
    used = Counter({chunk.address: chunk.length for chunk in chunks})
    whole = 0

    def runs() -> Iterator[Range]:
        nonlocal whole
        for run in _runs(_of_leaves(trees.leaves(EXTENT_TREE), superblock, groups)):
            whole += run.length
            yield run

    for chunk, gap in _gaps(chunks, runs()):
        used[chunk.address] -= gap.length
        yield from _places(chunk, gap, superblock)
    if trees.has(BLOCK_GROUP_TREE):
        for _ in _of_leaves(trees.leaves(BLOCK_GROUP_TREE), superblock, groups):
            raise BadFormat("an extent among block groups")
    sound = used == Counter(groups) and whole == sum(groups.values())
    expect(sound, "the extents are not as many as its block groups say")
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
    keys = search.keys(EXTENT_TREE, (0, 0, 0), (LAST, 255, LAST))
    for chunk, gap in _gaps(chunks, _runs(_of_keys(keys, superblock))):
        yield from _places(chunk, gap, superblock)
    yield from complement(_allocated(chunks, superblock), superblock.device_size)


def _chunks(items: Iterable[Item]) -> tuple[Chunk, ...]:
    """In order of address."""
    found = [parse_chunk(item.offset, item.data) for item in items if item.kind == CHUNK_ITEM]
    for here, after in pairwise(found):
        expect(here.end <= after.address, "chunks overlap")
    return tuple(found)


def _of_leaves(
    leaves: Iterable[bytes], superblock: Superblock, groups: dict[int, int]
) -> Iterator[Extent]:
    """The extents in these leaves; what block groups say that they use is noted in `groups`."""
    node_size = superblock.node_size
    for leaf in leaves:
        for objectid, kind, offset, at, _ in headers(leaf):
            if kind == EXTENT_ITEM:
                yield objectid, objectid + offset
            elif kind == METADATA_ITEM:
                yield objectid, objectid + node_size
            elif kind == BLOCK_GROUP_ITEM:
                groups[objectid] = number(leaf, HEADER + at, 8)


def _of_keys(keys: Iterable[Key], superblock: Superblock) -> Iterator[Extent]:
    node_size = superblock.node_size
    for objectid, kind, offset in keys:
        if kind == EXTENT_ITEM:
            yield objectid, objectid + offset
        elif kind == METADATA_ITEM:
            yield objectid, objectid + node_size


def _runs(extents: Iterable[Extent]) -> Iterator[Range]:
    """Extents without a gap between them as one: there may be tens of millions."""
    start = end = 0
    for first, behind in extents:
        if first == end:
            end = behind
            continue
        if end > start:
            yield between(start, end)
        start, end = first, behind
    if end > start:
        yield between(start, end)


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
