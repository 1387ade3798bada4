"""The trees of an unmounted btrfs. Format: the kernel's include/uapi/linux/btrfs_tree.h."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from rehost.errors import BadFormat
from rehost.storage import btrfs
from rehost.storage.content import expect, number
from rehost.storage.used.volume import Read
from rehost.system.btrfs_search import Item, Key

HEADER = 101
ITEM = struct.Struct("<QBQII")
POINTER = struct.Struct("<QBQQQ")
ROOT_TREE, CHUNK_TREE = 1, 3
ROOT_ITEM, CHUNK_ITEM = 132, 228
SYSTEM_CHUNKS_SIZE, SYSTEM_CHUNKS_MOST = 160, 2048
KEY = struct.Struct("<QBQ")
HIGHEST = 8

# BTRFS_FEATURE_INCOMPAT_…: mixed backref, default subvolume, mixed groups, LZO, zstd, big
# metadata, extended iref, RAID5/6, skinny metadata, no holes, metadata UUID, RAID1C3/4, simple
# quota. Not: zoned, extent tree v2, RAID stripe tree.
INCOMPAT = 0xFFF | 0x10000
COMPAT_RO = 0xF  # free space tree and its validity, verity, block group tree
METADATA_UUID = 0x400
KNOWN_FLAGS = 0x3  # written, relocated; not a seed, not a dump of metadata


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """Where a tree begins: a logical address."""

    address: int
    level: int
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stripe:
    device: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A stretch of logical addresses, and where it is on devices."""

    address: int
    length: int
    kind: int
    stripes: tuple[Stripe, ...]
    sub_stripes: int

    @property
    def end(self) -> int:
        return self.address + self.length

    @property
    def is_striped(self) -> bool:
        names = [name for bit, name in btrfs.PROFILES.items() if self.kind & bit]
        return bool({"raid0", "raid10", "raid5", "raid6"} & set(names))

    @property
    def stripe_length(self) -> int:
        """Bytes on each of its devices."""
        names = {name for bit, name in btrfs.PROFILES.items() if self.kind & bit}
        count = len(self.stripes)
        if "raid10" in names:
            return self.length * max(1, self.sub_stripes) // count
        parity = 1 if "raid5" in names else 2 if "raid6" in names else 0
        if "raid0" in names or parity:
            expect(count > parity, "a chunk on too few devices")
            return self.length // (count - parity)
        return self.length


@dataclass(frozen=True, slots=True, kw_only=True)
class Superblock:
    fsid: bytes
    metadata_uuid: bytes
    node_size: int
    sector: int
    device: int
    device_size: int
    allocated: int
    log: int
    root: Root
    chunks: Root
    system_chunks: tuple[Chunk, ...]


def parse_superblock(raw: bytes, *, size: int) -> Superblock:
    """Raises BadFormat unless all of it is understood."""
    known = btrfs.parse_superblock(raw)
    compat_ro, incompat = number(raw, 180, 8), number(raw, 188, 8)
    unknown = (compat_ro & ~COMPAT_RO, incompat & ~INCOMPAT)
    expect(not any(unknown), f"features that are not known: {[hex(u) for u in unknown]}")
    expect(number(raw, 48, 8) == btrfs.OFFSET, "a superblock of another place")
    expect(not number(raw, 56, 8) & ~KNOWN_FLAGS, "a seed, an error or a dump")
    device, device_size = number(raw, 201, 8), number(raw, 209, 8)
    expect(device > 0 and 0 < device_size <= size, "it is longer than the volume")
    expect(known.nodesize in {4096 << n for n in range(5)}, "odd nodes")
    expect(known.sectorsize in {4096 << n for n in range(5)}, "odd sectors")
    return Superblock(
        fsid=raw[32:48],
        metadata_uuid=raw[571:587] if incompat & METADATA_UUID else raw[32:48],
        node_size=known.nodesize,
        sector=known.sectorsize,
        device=device,
        device_size=device_size,
        allocated=known.allocated,
        log=number(raw, 96, 8),
        root=Root(address=number(raw, 80, 8), level=raw[198], generation=number(raw, 72, 8)),
        chunks=Root(address=number(raw, 88, 8), level=raw[199], generation=number(raw, 164, 8)),
        system_chunks=tuple(_system_chunks(raw)),
    )


def parse_chunk(address: int, raw: bytes) -> Chunk:
    """Raises BadFormat."""
    count = number(raw, 44, 2)
    expect(count > 0 and len(raw) >= 48 + 32 * count, "a broken chunk")
    stripes = tuple(
        Stripe(device=number(raw, at, 8), offset=number(raw, at + 8, 8))
        for at in range(48, 48 + 32 * count, 32)
    )
    return Chunk(
        address=address,
        length=number(raw, 0, 8),
        kind=number(raw, 24, 8),
        stripes=stripes,
        sub_stripes=number(raw, 46, 2),
    )


class Trees:
    """Reads trees of which a copy of each node is on this device. Raises BadFormat."""

    def __init__(self, read: Read, superblock: Superblock) -> None:
        self._read, self._superblock = read, superblock
        self._chunks = superblock.system_chunks

    def chunks(self) -> Iterator[Item]:
        return self._walk(self._superblock.chunks, (0, 0, 0), (1 << 64, 0, 0))

    def use(self, chunks: tuple[Chunk, ...]) -> None:
        """From now on, addresses are looked up in these."""
        self._chunks = chunks

    def items(self, tree: int) -> Iterator[Item]:
        return self._walk(self._root(tree), (0, 0, 0), (1 << 64, 0, 0))

    def has(self, tree: int) -> bool:
        return any(self._root_items(tree))

    def _root(self, tree: int) -> Root:
        for item in self._root_items(tree):
            expect(len(item.data) >= 239, "a broken root")
            address, generation = number(item.data, 176, 8), number(item.data, 160, 8)
            return Root(address=address, level=item.data[238], generation=generation)
        raise BadFormat(f"there is no tree {tree}")

    def _root_items(self, tree: int) -> Iterator[Item]:
        first, last = (tree, ROOT_ITEM, 0), (tree, ROOT_ITEM, 1 << 64)
        return self._walk(self._superblock.root, first, last)

    def leaves(self, tree: int) -> Iterator[bytes]:
        return self._leaves(self._root(tree), (0, 0, 0), (1 << 64, 0, 0))

    def _walk(self, root: Root, first: Key, last: Key) -> Iterator[Item]:
        for leaf in self._leaves(root, first, last):
            yield from _items(leaf, first, last)

    def _leaves(self, root: Root, first: Key, last: Key) -> Iterator[bytes]:
        raw = self._node(root)
        if root.level == 0:
            yield raw
            return
        count = number(raw, 96, 4)
        end = HEADER + count * POINTER.size
        expect(end <= len(raw), "a broken node")
        pointers = list(POINTER.iter_unpack(raw[HEADER:end]))
        for n, (*key, address, generation) in enumerate(pointers):
            before = n + 1 < count and tuple(pointers[n + 1][:3]) <= first
            if not before and tuple(key) <= last:
                below = Root(address=address, level=root.level - 1, generation=generation)
                yield from self._leaves(below, first, last)

    def _node(self, at: Root) -> bytes:
        """A node that is the one that was meant; what a newer transaction left there is not."""
        size = self._superblock.node_size
        expect(at.level < HIGHEST, "a tree too high")
        raw = self._read(self._place(at.address, size), size)
        sound = (
            raw[32:48] == self._superblock.metadata_uuid
            and number(raw, 48, 8) == at.address
            and number(raw, 80, 8) == at.generation
            and raw[100] == at.level
            and number(raw, 96, 4) > 0
        )
        expect(sound, f"there is no node of generation {at.generation} at {at.address}")
        return raw

    def _place(self, address: int, size: int) -> int:
        """Where an address is on this device."""
        for chunk in self._chunks:
            if chunk.address <= address and address + size <= chunk.end and not chunk.is_striped:
                for stripe in chunk.stripes:
                    if stripe.device == self._superblock.device:
                        return stripe.offset + address - chunk.address
        raise BadFormat(f"address {address} is not on this device alone")


def headers(leaf: bytes) -> Iterator[tuple[int, ...]]:
    """Of each item: objectid, kind, offset, and where its data is, behind HEADER. Fast."""
    end = HEADER + number(leaf, 96, 4) * ITEM.size
    expect(end <= len(leaf), "a broken leaf")
    return ITEM.iter_unpack(leaf[HEADER:end])


def _items(raw: bytes, first: Key, last: Key) -> Iterator[Item]:
    for objectid, kind, offset, start, size in headers(raw):
        if first <= (objectid, kind, offset) <= last:
            at = HEADER + start
            expect(at <= at + size <= len(raw), "a broken leaf")
            data = raw[at : at + size]
            yield Item(objectid=objectid, kind=kind, offset=offset, data=data)


def _system_chunks(raw: bytes) -> Iterator[Chunk]:
    """The superblock has the chunks in which the tree of chunks is."""
    at, end = btrfs.SYSTEM_CHUNKS, btrfs.SYSTEM_CHUNKS + number(raw, SYSTEM_CHUNKS_SIZE, 4)
    expect(end - at <= SYSTEM_CHUNKS_MOST, "too many system chunks")
    while at < end:
        _, kind, address = KEY.unpack_from(raw, at)
        expect(kind == CHUNK_ITEM, "a broken system chunk")
        chunk = parse_chunk(address, raw[at + KEY.size : end])
        yield chunk
        at += KEY.size + 48 + 32 * len(chunk.stripes)
