"""Reading a disk or an image: what is on the medium, or what the page cache knows of it."""

import mmap
import os
import stat
from types import TracebackType
from typing import Self

from rehost.errors import BadFormat, FileMissing, FileUnreadable

ALIGNMENT = 4096  # no disk has longer sectors
LARGEST = 8 << 20  # bytes in one read


class Reader:
    """A file or block device, opened for reading only. Raises FileMissing or FileUnreadable.

    `direct` reads of a block device bypass its page cache: a partition and its disk have
    different caches, and a filesystem may write beside both. A regular file is always read
    through the cache that its writers share.
    """

    def __init__(self, path: str, *, direct: bool) -> None:
        self.path = path
        try:
            is_device = stat.S_ISBLK(os.stat(path).st_mode)  # noqa: PTH116
            self._direct = direct and is_device
            self._fd = os.open(
                path, os.O_RDONLY | os.O_CLOEXEC | (os.O_DIRECT if self._direct else 0)
            )
        except FileNotFoundError as e:
            raise FileMissing(path) from e
        except OSError as e:
            raise FileUnreadable(path, e.strerror or str(e)) from e
        self.size = os.lseek(self._fd, 0, os.SEEK_END)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        os.close(self._fd)

    def read(self, offset: int, size: int) -> bytes:
        """Exactly these bytes. Raises BadFormat if the device has not so many."""
        if not 0 <= offset <= offset + size <= self.size:
            raise BadFormat(f"{self.path} has no {size} bytes at {offset}")
        if size > LARGEST:
            raise BadFormat(f"{size} bytes at {offset} of {self.path} are too many for a structure")
        try:
            found = self._aligned(offset, size) if self._direct else self._pread(offset, size)
        except OSError as e:
            raise FileUnreadable(self.path, f"at byte {offset}: {e.strerror or e}") from e
        if len(found) != size:
            raise BadFormat(f"{self.path} ends within the {size} bytes at {offset}")
        return found

    def _pread(self, offset: int, size: int) -> bytes:
        return os.pread(self._fd, size, offset)

    def _aligned(self, offset: int, size: int) -> bytes:
        """O_DIRECT takes whole sectors, into memory that begins at one."""
        start = offset // ALIGNMENT * ALIGNMENT
        length = -(-(offset + size - start) // ALIGNMENT) * ALIGNMENT
        with mmap.mmap(-1, length) as buffer:
            read = os.preadv(self._fd, [buffer], start)
            return buffer[offset - start : min(read, offset - start + size)]
