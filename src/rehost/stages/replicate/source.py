"""A disk of the source: only ever read, past its page cache."""

import errno
import logging
import os
import threading
import time
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from enum import StrEnum
from pathlib import Path

from rehost.contract.frames import SECTOR
from rehost.model.ranges import Range
from rehost.stream_errors import SourceResized, SourceUnavailable, SourceUnreadable
from rehost.system.block_io import PAGE, AlignedBuffer, BlockFile

log = logging.getLogger(__name__)

_MEDIUM = (errno.EIO, errno.EILSEQ, errno.EREMOTEIO, errno.ENODATA, errno.ETIMEDOUT)
_STEP = 64 << 10  # around a failed place, first in such steps, then by _LEAST
_LEAST = 4096
# Small reads wait for the disk, which can do several at once; large ones for its speed.
_AT_ONCE = 8
_LARGEST = 1 << 20

Place = tuple[int, memoryview]  # offset, and where what is there goes


class OnReadError(StrEnum):
    STOP = "stop"
    SKIP = "skip"  # zeros are sent for what cannot be read, and the ranges are reported


class Source:
    """Threads may use one at once."""

    def __init__(
        self, id_: int, name: str, path: Path, *, on_error: OnReadError = OnReadError.STOP
    ) -> None:
        """Raises SourceUnavailable."""
        self.id, self.name, self.path = id_, name, path
        self._on_error = on_error
        self._lock = threading.Lock()
        self._unreadable: list[Range] = []
        self._held: list[tuple[Range, memoryview]] = []  # in order
        self._read_bytes, self._read_s = 0, 0.0
        self._readers = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="reader")
        try:
            self._file = BlockFile(path)
        except OSError as e:
            raise SourceUnavailable(f"disk {name} cannot be opened: {e}") from e
        self.size = self._file.size
        self._has_holes = not self._file.is_device

    def close(self) -> None:
        self._readers.shutdown()
        self._file.close()

    @property
    def is_device(self) -> bool:
        """A block device; else an image file."""
        return self._file.is_device

    @property
    def reading(self) -> tuple[int, float]:
        """Bytes that were read from the disk until now, and the seconds that the reads took."""
        with self._lock:
            return self._read_bytes, self._read_s

    def expect_same_size(self) -> None:
        """Raises SourceResized."""
        now = self._file.size_now()
        if now != self.size:
            raise SourceResized(
                f"disk {self.name} has {now} bytes now, and had {self.size} when the copying "
                "began; the target is not like it: create the task anew"
            )

    def hold(self, ranges: Iterable[Range]) -> None:
        """Read these now; until `release`, reads within one of them give what it was.

        In order, and apart from each other. Raises as `read` does; then nothing is held.
        """
        wanted = list(ranges)
        # One piece of memory for all: each of its own would be a huge page that is zeroed first.
        room = AlignedBuffer(sum(_pages(item.length) for item in wanted) or PAGE).view
        held, at = [], 0
        for item in wanted:
            held.append((item, room[at : at + item.length]))
            at += _pages(item.length)
        self._fill_all([part for item, content in held for part in _parts(item, content)])
        self._held = held

    def release(self) -> None:
        self._held = []

    @property
    def unreadable(self) -> tuple[Range, ...]:
        """What was skipped, in the order of its place."""
        with self._lock:
            return tuple(sorted(set(self._unreadable)))

    def read(self, offset: int, view: memoryview) -> None:
        """Raises SourceUnreadable, unless what cannot be read is to be skipped."""
        if not self._give_held(offset, view):
            began = time.monotonic()
            self._fill(offset, view)
            self._count(len(view), began)

    def read_all(self, places: Sequence[Place]) -> None:
        """The same for several places at once. All reads have ended when it returns, or raises."""
        self._fill_all([place for place in places if not self._give_held(*place)])

    def _fill_all(self, places: Sequence[Place]) -> None:
        began = time.monotonic()
        futures = [self._readers.submit(self._fill, *place) for place in places]
        wait(futures)
        for future in futures:
            future.result()
        self._count(sum(len(view) for _, view in places), began)

    def _give_held(self, offset: int, view: memoryview) -> bool:
        """Whether it is held; then `view` has it."""
        end = offset + len(view)
        at = bisect_right(self._held, offset, key=lambda pair: pair[0].offset) - 1
        if at < 0 or end > self._held[at][0].end:
            return False
        held, content = self._held[at]
        view[:] = content[offset - held.offset : end - held.offset]
        return True

    def _fill(self, offset: int, view: memoryview) -> None:
        try:
            self._file.read_into(view, offset)
        except OSError as e:
            if e.errno not in _MEDIUM:
                raise SourceUnavailable(f"disk {self.name} cannot be read: {e}") from e
            self._read_around(offset, view, _STEP)

    def _count(self, size: int, began: float) -> None:
        with self._lock:
            self._read_bytes += size
            self._read_s += time.monotonic() - began

    def stretch(self, offset: int, end: int) -> tuple[int, bool]:
        """Up to where it goes on like this from `offset`, and whether it is a hole."""
        if not self._has_holes:
            return end, False
        try:
            data = self._file.next_data(offset)
            if data is None or data >= end:
                return end, True
            if data - data % SECTOR > offset:
                return data - data % SECTOR, True
            return min(end, self._file.next_hole(offset)), False
        except OSError as e:
            if e.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise SourceUnavailable(f"disk {self.name} cannot be read: {e}") from e
            self._has_holes = False
            return end, False

    def _read_around(self, offset: int, view: memoryview, step: int) -> None:
        for at in range(0, len(view), step):
            part = view[at : at + step]
            try:
                self._file.read_into(part, offset + at)
            except OSError as e:
                if step > _LEAST:
                    self._read_around(offset + at, part, _LEAST)
                else:
                    self._skip(Range(offset + at, len(part)), part, e)

    def _skip(self, lost: Range, view: memoryview, e: OSError) -> None:
        text = f"disk {self.name}: {lost.length} bytes at {lost.offset} cannot be read"
        reason = os.strerror(e.errno or 0)
        if self._on_error is OnReadError.STOP:
            raise SourceUnreadable(f"{text}: {reason}", disk=self.name, offset=lost.offset) from e
        with self._lock:
            self._unreadable.append(lost)
        log.warning("%s: %s; zeros are sent in their place", text, reason)
        view[:] = bytes(len(view))


def _parts(item: Range, content: memoryview) -> list[Place]:
    return [
        (item.offset + at, content[at : at + _LARGEST]) for at in range(0, item.length, _LARGEST)
    ]


def _pages(length: int) -> int:
    return -(-length // PAGE) * PAGE
