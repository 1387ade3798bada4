"""A disk of the source: only ever read, past its page cache."""

import errno
import logging
import os
import threading
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

from rehost.contract.frames import SECTOR
from rehost.model.ranges import Range
from rehost.stream_errors import SourceUnavailable, SourceUnreadable
from rehost.system.block_io import AlignedBuffer, BlockFile

log = logging.getLogger(__name__)

_MEDIUM = (errno.EIO, errno.EILSEQ, errno.EREMOTEIO, errno.ENODATA, errno.ETIMEDOUT)
_STEP = 64 << 10  # around a failed place, first in such steps, then by _LEAST
_LEAST = 4096


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
        self._held: dict[Range, bytes] = {}
        try:
            self._file = BlockFile(path)
        except OSError as e:
            raise SourceUnavailable(f"disk {name} cannot be opened: {e}") from e
        self.size = self._file.size
        self._has_holes = not self._file.is_device

    def close(self) -> None:
        self._file.close()

    @property
    def is_device(self) -> bool:
        """A block device; else an image file."""
        return self._file.is_device

    def hold(self, ranges: Iterable[Range]) -> None:
        """Read these now; until `release`, reads within one of them give what it was. Apart from
        each other; raises as `read` does."""
        for item in ranges:
            content = AlignedBuffer(item.length).view
            self.read(item.offset, content)
            self._held[item] = bytes(content)

    def release(self) -> None:
        self._held = {}

    @property
    def unreadable(self) -> tuple[Range, ...]:
        """What was skipped, in the order of its place."""
        with self._lock:
            return tuple(sorted(set(self._unreadable)))

    def read(self, offset: int, view: memoryview) -> None:
        """Raises SourceUnreadable, unless what cannot be read is to be skipped."""
        for held, content in self._held.items():
            if held.offset <= offset and offset + len(view) <= held.end:
                view[:] = memoryview(content)[offset - held.offset :][: len(view)]
                return
        try:
            self._file.read_into(view, offset)
        except OSError as e:
            if e.errno not in _MEDIUM:
                raise SourceUnavailable(f"disk {self.name} cannot be read: {e}") from e
            self._read_around(offset, view, _STEP)

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
