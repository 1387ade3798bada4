"""One target disk: what arrives is written to it, and noted once it is durable.

Threads of several connections use it at once.
"""

import errno
import secrets
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rehost.contract.digest import digest, digest_of_zeros
from rehost.contract.frames import BLOCK, SECTOR, Ask, Data, Discard, Question, Zero
from rehost.contract.transfer import ReceivedDisk
from rehost.receiver.journal import NOTHING, SOMETHING, Journal, Note
from rehost.stream_errors import OutOfRange, ReceiverRunning, TargetFailed, TargetFull
from rehost.system.block_io import AlignedBuffer, BlockFile

_AT_ONCE = 256 * BLOCK  # of a long extent of zeros
_PENDING = 8192  # notes that wait for a sync, at most
_FULL = (errno.ENOSPC, errno.EDQUOT)
STORE_SIZE = 16


class TargetDisk:
    """Raises TargetFull, TargetFailed, OutOfRange, ReceiverRunning."""

    def __init__(self, disk: ReceivedDisk, folder: Path) -> None:
        self.disk = disk
        self._lock = threading.Lock()
        self._committing = threading.Lock()
        self._pending: dict[int, Note | None] = {}
        self._writing: Counter[int] = Counter()
        self._mixed: set[int] = set()
        with self._translated():
            self._file = BlockFile(disk.path, writable=True)
            if not self._file.lock():
                raise ReceiverRunning(f"another receiver writes {disk.path}")
            if self._file.size < disk.size:
                raise TargetFailed(
                    f"{disk.path} has {self._file.size} bytes and disk {disk.name} {disk.size}"
                )
            self.store = _store(self._file, folder / f"disk-{disk.id}.store")
            self._journal = Journal(
                folder / f"disk-{disk.id}.journal", store=self.store, size=disk.size
            )

    def close(self) -> None:
        """Nothing may be written any more. What was is committed."""
        self.commit()
        with self._translated():
            self._journal.remove_marks()
        self._journal.close()
        self._file.close()

    @property
    def is_empty(self) -> bool:
        return self._journal.is_empty and not self._pending

    def check_range(self, offset: int, length: int) -> None:
        end = offset + length
        aligned = not offset % SECTOR and (not end % SECTOR or end == self.disk.size)
        if end > self.disk.size or not aligned:
            raise OutOfRange(
                f"{length} bytes at {offset} are no range of disk {self.disk.name}, "
                f"which has {self.disk.size} bytes"
            )

    def write(self, run: Sequence[Data], content: memoryview) -> None:
        """`content` is of the digests that `run` says, whose ranges follow each other."""
        first, last = run[0].offset // BLOCK, run[-1].offset // BLOCK
        with self._touching(first, last):
            self._file.write(content, run[0].offset)
            for data in run:
                note = Note(data.offset % BLOCK, data.length, data.digest)
                self._note(data.offset // BLOCK, note)

    def zero(self, extent: Zero) -> None:
        self.check_range(extent.offset, extent.length)
        for offset, length in _pieces(extent.offset, extent.length):
            with self._touching(offset // BLOCK, (offset + length - 1) // BLOCK):
                self._file.zero(offset, length)
                for block, start, size in _by_block(offset, length):
                    self._note(block, Note(start, size, digest_of_zeros(size)))

    def discard(self, extent: Discard) -> None:
        self.check_range(extent.offset, extent.length)
        for offset, length in _pieces(extent.offset, extent.length):
            with self._touching(offset // BLOCK, (offset + length - 1) // BLOCK):
                self._file.discard(offset, length)
                for block, _, size in _by_block(offset, length):
                    if self._is_known(block):
                        self._note(block, None if size == BLOCK else SOMETHING)

    def commit(self) -> None:
        """When this returns, all that was written before is durable and noted."""
        with self._committing:
            with self._lock:
                notes, self._pending = self._pending, {}
                notes.update(dict.fromkeys(self._writing.keys() & notes.keys(), SOMETHING))
                # Before the notes can be on disk: who writes from now on must see them.
                self._journal.expect(notes)
            if notes:
                self._commit(notes)

    def _commit(self, notes: dict[int, Note | None]) -> None:
        try:
            with self._translated():
                self._file.sync()
                self._journal.commit(notes)
        except BaseException:
            with self._lock:
                self._pending = {**dict.fromkeys(notes, SOMETHING), **self._pending}
            raise

    def answer(self, ask: Ask, buffer: AlignedBuffer) -> Iterator[bytes | None]:
        """A digest for each range; `buffer` is of BLOCK bytes, to read into."""
        for asked in ask.ranges:
            self.check_range(*asked)
        self.commit()
        for offset, length in ask.ranges:
            known = self._known(offset, length) if ask.question is Question.NOTED else SOMETHING
            if known is SOMETHING:
                with self._translated():
                    self._file.read_into(buffer.view[:length], offset)
                yield digest(buffer.view[:length])
            else:
                yield known.digest if known else None

    def _known(self, offset: int, length: int) -> Note | None:
        block = offset // BLOCK
        with self._lock:
            if block in self._writing or block in self._pending:
                return None
            note = self._journal.note(block)
        if note is None or (note.start, note.length) == (offset % BLOCK, length):
            return note if note is None or note.digest else SOMETHING
        return SOMETHING

    def _is_known(self, block: int) -> bool:
        with self._lock:
            return self._journal.states[block] != NOTHING or block in self._pending

    @contextmanager
    def _touching(self, first: int, last: int) -> Iterator[None]:
        blocks = range(first, last + 1)
        with self._translated():
            with self._lock:
                self._journal.will_overwrite(first, last)
                self._mixed.update(self._writing.keys() & set(blocks))
                self._writing.update(blocks)
            try:
                yield
            except BaseException:
                with self._lock:
                    self._pending.update(dict.fromkeys(blocks, SOMETHING))
                raise
            finally:
                self._untouch(blocks)
        if len(self._pending) > _PENDING:
            self.commit()

    def _untouch(self, blocks: range) -> None:
        with self._lock:
            for block in blocks:
                if block in self._mixed:
                    self._pending[block] = SOMETHING
                self._writing[block] -= 1
                if not self._writing[block]:
                    del self._writing[block]
                    self._mixed.discard(block)

    def _note(self, block: int, note: Note | None) -> None:
        with self._lock:
            self._pending[block] = note

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as e:
            if e.errno in _FULL:
                raise TargetFull(
                    f"no space is left for disk {self.disk.name} where {self.disk.path} is; "
                    "make space and start the task again: what has arrived stays"
                ) from e
            raise TargetFailed(f"disk {self.disk.name}, at {self.disk.path}: {e}") from e


def _pieces(offset: int, length: int) -> Iterator[tuple[int, int]]:
    end = offset + length
    while offset < end:
        stop = min(end, (offset // _AT_ONCE + 1) * _AT_ONCE)
        yield offset, stop - offset
        offset = stop


def _by_block(offset: int, length: int) -> Iterator[tuple[int, int, int]]:
    """(block, start in it, bytes of it)"""
    end = offset + length
    while offset < end:
        stop = min(end, (offset // BLOCK + 1) * BLOCK)
        yield offset // BLOCK, offset % BLOCK, stop - offset
        offset = stop


def _store(file: BlockFile, kept: Path) -> bytes:
    """Names this disk's content: another when the image was made anew, so that old notes of it
    are not believed. On devices and where there are no attributes, the notes' folder alone says."""
    on_disk = file.attribute()
    noted = kept.read_bytes() if kept.exists() else b""
    if len(noted) == STORE_SIZE and on_disk in (noted, None):
        return noted
    store = secrets.token_bytes(STORE_SIZE)
    kept.write_bytes(store)
    file.set_attribute(store)
    return store
