"""What one target disk durably holds: a file of notes that is true after any crash.

The disk is in blocks of BLOCK bytes. A note says: in this block, `length` bytes from `start` have
this digest - or only that something is there, whose digest is to be computed when asked for. Notes
are written after the disk was synced, so a note never says more than the disk holds.

Before a block with a digest is overwritten, its region (REGION blocks) is marked, durably: until
the block has a new note, the old one may be false. After a crash, digests in marked regions are
not believed, but computed from the disk. A clean end removes the marks.

Layout: a page with HEADER; a byte for each region, in whole pages; ENTRY for each block.
Each has a checksum over itself and its place, so a torn or foreign one is no note.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rehost.contract.frames import BLOCK
from rehost.stream_errors import TargetFailed
from rehost.system.files import sync_folder

REGION = 64
PAGE = 4096
MAGIC = b"REHOSTJ1"
HEADER = struct.Struct(">8s16sQII")
ENTRY = struct.Struct(">IIB3x32s")
_SUM = struct.Struct(">I")
ENTRY_SIZE = ENTRY.size + _SUM.size
_READ_AT_ONCE = 4096
_NO_ENTRY = bytes(ENTRY_SIZE)

NOTHING, NOTED, UNKNOWN = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Note:
    """`digest` None: something is there, nobody has its digest."""

    start: int
    length: int
    digest: bytes | None


SOMETHING = Note(0, 0, None)


class Journal:
    """Not for several threads at once: its TargetDisk has a lock. Raises OSError as it comes."""

    def __init__(self, path: Path, *, store: bytes, size: int) -> None:
        """Open the notes, or begin new ones where there are none of this store and size."""
        self._blocks = -(-size // BLOCK)
        self._marks_size = _pages(-(-self._blocks // REGION))
        self._header = _header(store, size)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.states = bytearray(self._blocks)
        self._marks = bytearray(self._marks_size)
        if os.pread(self._fd, len(self._header), 0) == self._header:
            self._load()
        else:
            self._begin()
            sync_folder(path.parent)

    def close(self) -> None:
        os.close(self._fd)

    @property
    def is_empty(self) -> bool:
        return not any(self.states)

    def note(self, block: int) -> Note | None:
        """As it was committed; SOMETHING where the digest is not to be believed."""
        if self.states[block] == NOTHING:
            return None
        if self.states[block] == UNKNOWN:
            return SOMETHING
        return _parse(block, os.pread(self._fd, ENTRY_SIZE, self._place(block))) or SOMETHING

    def will_overwrite(self, first: int, last: int) -> None:
        """Must be called before blocks `first` to `last` are written; cheap if they are new."""
        if NOTED not in self.states[first : last + 1]:
            return
        low, high = first // REGION, last // REGION + 1
        if all(self._marks[low:high]):
            return
        self._marks[low:high] = b"\1" * (high - low)
        _write(self._fd, self._marks[low:high], PAGE + low)
        os.fdatasync(self._fd)

    def expect(self, notes: dict[int, Note | None]) -> None:
        """Must be called before `commit`: from now on these blocks count as noted."""
        for block, note in notes.items():
            self.states[block] = _state(note)

    def commit(self, notes: dict[int, Note | None]) -> None:
        """What is noted here is durably on the disk already; None removes a note."""
        for first, entries in _runs(notes):
            _write(self._fd, entries, self._place(first))
        os.fdatasync(self._fd)

    def remove_marks(self) -> None:
        """Only when nothing was written since the last commit."""
        if not any(self._marks):
            return
        # Digests that are not believed must be gone before the marks are.
        self.commit({b: SOMETHING for b, state in enumerate(self.states) if state == UNKNOWN})
        self._marks = bytearray(self._marks_size)
        _write(self._fd, self._marks, PAGE)
        os.fdatasync(self._fd)

    def _place(self, block: int) -> int:
        return PAGE + self._marks_size + block * ENTRY_SIZE

    def _begin(self) -> None:
        os.ftruncate(self._fd, 0)
        os.ftruncate(self._fd, self._place(self._blocks))
        os.fsync(self._fd)
        # Only now: a header must not come to be in front of what an older journal said.
        _write(self._fd, self._header, 0)
        os.fsync(self._fd)

    def _load(self) -> None:
        self._marks = bytearray(os.pread(self._fd, self._marks_size, PAGE))
        if len(self._marks) != self._marks_size:
            raise TargetFailed("the notes of what a disk holds are cut off; remove them")
        for first in range(0, self._blocks, _READ_AT_ONCE):
            content = os.pread(self._fd, _READ_AT_ONCE * ENTRY_SIZE, self._place(first))
            if any(content):
                self._load_entries(first, memoryview(content))

    def _load_entries(self, first: int, content: memoryview) -> None:
        for at in range(0, len(content) - ENTRY_SIZE + 1, ENTRY_SIZE):
            block = first + at // ENTRY_SIZE
            entry = content[at : at + ENTRY_SIZE]
            if entry == _NO_ENTRY or block >= self._blocks:
                continue
            note = _parse(block, bytes(entry))
            marked = self._marks[block // REGION]
            # A torn entry: something was committed here, or nearly. The disk itself says what.
            self.states[block] = UNKNOWN if marked or note is None else _state(note)


def _runs(notes: dict[int, Note | None]) -> Iterator[tuple[int, bytearray]]:
    """Entries of neighbouring blocks in one piece, with the first one's number."""
    entries, start, after = bytearray(), 0, -1
    for block in sorted(notes):
        if block != after:
            if entries:
                yield start, entries
            entries, start = bytearray(), block
        entries += _pack(block, notes[block])
        after = block + 1
    if entries:
        yield start, entries


def _pages(size: int) -> int:
    return -(-size // PAGE) * PAGE


def _state(note: Note | None) -> int:
    if note is None:
        return NOTHING
    return UNKNOWN if note.digest is None else NOTED


def _header(store: bytes, size: int) -> bytes:
    content = HEADER.pack(MAGIC, store, size, BLOCK, ENTRY_SIZE)
    return content + _SUM.pack(zlib.crc32(content))


def _pack(block: int, note: Note | None) -> bytes:
    if note is None:
        return _NO_ENTRY
    known = note.digest is not None
    content = ENTRY.pack(note.start, note.length, 1 + known, note.digest or bytes(32))
    return content + _SUM.pack(zlib.crc32(content, block))


def _parse(block: int, entry: bytes) -> Note | None:
    if len(entry) != ENTRY_SIZE:
        return None
    content = entry[: ENTRY.size]
    if _SUM.unpack_from(entry, ENTRY.size)[0] != zlib.crc32(content, block & 0xFFFFFFFF):
        return None
    start, length, kind, digest = ENTRY.unpack(content)
    return Note(start, length, digest if kind == 2 else None)


def _write(fd: int, content: bytes | bytearray, offset: int) -> None:
    view = memoryview(content)
    while view:
        done = os.pwrite(fd, view, offset)
        view, offset = view[done:], offset + done
