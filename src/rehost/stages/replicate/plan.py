"""What of a disk is sent, in pieces that fit a frame and lie within a block of the receiver's."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rehost.contract.frames import BLOCK, SECTOR
from rehost.model.ranges import Range
from rehost.stages.replicate.source import Source

# Reading over a small gap is cheaper than another request, and another frame.
GAP = 64 << 10
BATCH = 16
_LONG_ZEROS = 256 * BLOCK


@dataclass(frozen=True, slots=True)
class Piece:
    """At most BLOCK bytes within a block - or, if it is known to be `zero`, any length."""

    disk: int
    offset: int
    length: int
    zero: bool = False


Batch = Sequence[Piece]  # of one disk


class Work:
    """Batches for whoever asks next. All pieces of a block are in one batch."""

    def __init__(self, batches: Iterator[Batch]) -> None:
        self._lock = threading.Lock()
        self._batches = batches
        self._ended = False

    def __iter__(self) -> Iterator[Batch]:
        while (batch := self._next()) is not None:
            yield batch

    def end(self) -> None:
        """Nobody gets any more."""
        self._ended = True

    def _next(self) -> Batch | None:
        with self._lock:
            return None if self._ended else next(self._batches, None)


def plan(
    sources: Mapping[int, Source], ranges: Mapping[int, Iterable[Range]], *, gap: int = GAP
) -> Iterator[Batch]:
    """Pieces of these ranges, disk by disk, in order of place, and of gaps between them that are
    not larger. Ranges are sorted, and apart."""
    for disk, wanted in ranges.items():
        source = sources[disk]
        yield from _batches(_pieces(disk, _known(source, readable(wanted, source.size, gap=gap))))


def readable(ranges: Iterable[Range], size: int, *, gap: int = GAP) -> Iterator[Range]:
    """What is read for these: whole sectors, and small gaps between them."""
    return _merged(_aligned(ranges, size), gap)


def outside(ranges: Iterable[Range], size: int) -> Iterator[Range]:
    """What `ranges` leave of a disk: whole blocks alone, so that nothing near them is touched."""
    at = 0
    for item in [*ranges, Range(size, 0)]:
        start, end = -(-at // BLOCK) * BLOCK, item.offset // BLOCK * BLOCK
        if start < end:
            yield Range(start, end - start)
        at = max(at, item.end)


def _aligned(ranges: Iterable[Range], size: int) -> Iterator[Range]:
    """Whole sectors, within the disk."""
    for item in ranges:
        start = item.offset // SECTOR * SECTOR
        end = min(-(-item.end // SECTOR) * SECTOR, size)
        if start < end:
            yield Range(start, end - start)


def _merged(ranges: Iterable[Range], gap: int) -> Iterator[Range]:
    last: Range | None = None
    for item in ranges:
        if last and item.offset <= last.end + gap:
            last = Range(last.offset, max(last.end, item.end) - last.offset)
            continue
        if last:
            yield last
        last = item
    if last:
        yield last


def _known(source: Source, ranges: Iterable[Range]) -> Iterator[tuple[Range, bool]]:
    """Each range, cut where an image file has holes; True for those, which need no reading."""
    for item in ranges:
        at = item.offset
        while at < item.end:
            stop, zero = source.stretch(at, item.end)
            yield Range(at, stop - at), zero
            at = stop


def _pieces(disk: int, ranges: Iterable[tuple[Range, bool]]) -> Iterator[Piece]:
    for item, zero in ranges:
        size = _LONG_ZEROS if zero else BLOCK
        at = item.offset
        while at < item.end:
            stop = min(item.end, (at // size + 1) * size)
            yield Piece(disk, at, stop - at, zero)
            at = stop


def _batches(pieces: Iterable[Piece]) -> Iterator[Batch]:
    batch: list[Piece] = []
    for piece in pieces:
        if len(batch) >= BATCH and piece.offset // BLOCK != _last_block(batch[-1]):
            yield batch
            batch = []
        batch.append(piece)
    if batch:
        yield batch


def _last_block(piece: Piece) -> int:
    return (piece.offset + piece.length - 1) // BLOCK
