"""Arithmetic of ranges. Whatever is given in order comes out in order."""

import re
from collections.abc import Iterable, Iterator

from rehost.model.ranges import Range, between

GRAIN = 64 << 10  # bytes; a shorter hole costs more to tell about than to copy
MOST = 1 << 16  # holes


class Holes:
    """Free ranges of a disk, rounded inwards to GRAIN. Of more than MOST, the shortest are lost."""

    def __init__(self, *, grain: int = GRAIN, most: int = MOST) -> None:
        self._grain, self._most = grain, most
        self._shortest = grain
        self._holes: list[Range] = []

    def add(self, free: Range) -> None:
        start = -(-free.offset // self._grain) * self._grain
        end = free.end // self._grain * self._grain
        if end - start < self._shortest:
            return
        if self._holes and self._holes[-1].end == start:
            start = self._holes.pop().offset
        self._holes.append(between(start, end))
        if len(self._holes) > 2 * self._most:
            self._shorten()
            self._shortest = self._holes[-1].length

    def __iter__(self) -> Iterator[Range]:
        self._shorten()
        return iter(sorted(self._holes))

    @property
    def bytes(self) -> int:
        return sum(hole.length for hole in self)

    def used(self, size: int) -> Iterator[Range]:
        """All else of a disk of `size` bytes."""
        return complement(self, size)

    def _shorten(self) -> None:
        if len(self._holes) > self._most:
            self._holes.sort(key=lambda hole: hole.length, reverse=True)
            del self._holes[self._most :]


def complement(ranges: Iterable[Range], size: int) -> Iterator[Range]:
    """What is in none of the sorted `ranges` (which may touch or overlap), up to `size`."""
    at = 0
    for taken in ranges:
        if taken.offset >= size:
            break
        if taken.offset > at:
            yield between(at, taken.offset)
        at = max(at, taken.end)
    if at < size:
        yield between(at, size)


def merged(ranges: Iterable[Range]) -> Iterator[Range]:
    """Sorted ranges, with those that touch or overlap made one."""
    last: Range | None = None
    for this in ranges:
        if last and this.offset <= last.end:
            last = between(last.offset, max(last.end, this.end))
            continue
        if last:
            yield last
        last = this
    if last:
        yield last


def zero_runs(bitmap: bytes, *, least: int) -> Iterator[Range]:
    """Where at least `least` whole bytes of a bitmap are zero, counted in bits."""
    for found in re.finditer(rb"\0{%d,}" % least, bitmap):
        yield between(found.start() * 8, found.end() * 8)
