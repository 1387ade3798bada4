"""Asks a mounted btrfs for items of its trees. Interface: linux/btrfs.h; only root may."""

import fcntl
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from rehost.errors import FileUnreadable

SYNC = 0x9408
FS_INFO = 0x8400941F
TREE_SEARCH_V2 = 0xC0709411
ARGUMENTS = struct.Struct("=7Q4I4QQ")
HEADER = struct.Struct("=3Q2I")  # transaction, objectid, offset, type, length
BUFFER = 1 << 20
LAST = (1 << 64) - 1

Key = tuple[int, int, int]  # objectid, type, offset


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An item of a btrfs tree."""

    objectid: int
    kind: int
    offset: int
    data: bytes


class Search:
    """A path in a mounted filesystem. Raises FileUnreadable."""

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as e:
            raise FileUnreadable(path, e.strerror or str(e)) from e

    def close(self) -> None:
        os.close(self._fd)

    def fsid(self) -> bytes:
        info = bytearray(1024)
        self._ioctl(FS_INFO, info)
        return bytes(info[16:32])

    def commit(self) -> None:
        """When this returns, all that was written before it is in the trees, and on the disk."""
        self._ioctl(SYNC, bytearray())

    def items(self, tree: int, first: Key, last: Key) -> Iterator[Item]:
        """Items from key `first` to `last`, in order. What is added meanwhile may be missed."""
        for raw, at, objectid, kind, offset, length in self._found(tree, first, last):
            data = bytes(raw[at : at + length])
            yield Item(objectid=objectid, kind=kind, offset=offset, data=data)

    def keys(self, tree: int, first: Key, last: Key) -> Iterator[Key]:
        """The same without their data, which is faster."""
        for _, _, objectid, kind, offset, _ in self._found(tree, first, last):
            yield objectid, kind, offset

    def _found(
        self, tree: int, first: Key, last: Key
    ) -> Iterator[tuple[bytearray, int, int, int, int, int]]:
        while first <= last:
            raw = bytearray(ARGUMENTS.pack(*_arguments(tree, first, last)) + bytes(BUFFER))
            self._ioctl(TREE_SEARCH_V2, raw)
            found = ARGUMENTS.unpack_from(raw)[9]
            if not found:
                return
            at = ARGUMENTS.size
            for _ in range(found):
                _, objectid, offset, kind, length = HEADER.unpack_from(raw, at)
                at += HEADER.size
                yield raw, at, objectid, kind, offset, length
                at += length
            first = _after((objectid, kind, offset))

    def _ioctl(self, request: int, argument: bytearray) -> None:
        try:
            if argument:
                fcntl.ioctl(self._fd, request, argument)
            else:
                fcntl.ioctl(self._fd, request)
        except OSError as e:
            raise FileUnreadable(self._path, f"its trees: {e.strerror or e}") from e


def _arguments(tree: int, first: Key, last: Key) -> tuple[int, ...]:
    objects, offsets, transactions = (first[0], last[0]), (first[2], last[2]), (0, LAST)
    counts = (first[1], last[1], 0xFFFFFFFF, 0)
    return (tree, *objects, *offsets, *transactions, *counts, 0, 0, 0, 0, BUFFER)


def _after(key: Key) -> Key:
    objectid, kind, offset = key
    if offset < LAST:
        return objectid, kind, offset + 1
    return (objectid, kind + 1, 0) if kind < 255 else (objectid + 1, 0, 0)
