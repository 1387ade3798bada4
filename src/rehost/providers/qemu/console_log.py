"""What a machine says on its serial port: a file that QEMU appends to, of which the end is kept.

What is older is made a hole, which takes no space: QEMU's writes, and places in the file, are not
disturbed.
"""

import ctypes
import errno
import os
from contextlib import suppress
from pathlib import Path

NAME, PREVIOUS = "console.log", "console.previous.log"
KEPT = 8 << 20  # bytes
GRAIN = 1 << 20  # not a hole for each line
KEEP_SIZE, PUNCH_HOLE = 1, 2

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


def begin(folder: Path) -> None:
    """Before a start: what was said until now is kept as what was said before."""
    with suppress(FileNotFoundError):
        (folder / NAME).replace(folder / PREVIOUS)


def end(folder: Path, *, last: int) -> bytes:
    """Up to `last` bytes of the end. There are none of a machine that is gone."""
    try:
        with (folder / NAME).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - min(last, KEPT)))
            return file.read(min(last, KEPT))
    except FileNotFoundError:
        return b""


def trim(folder: Path) -> None:
    """Let go of the space of what is older than what is kept. Raises OSError."""
    with suppress(FileNotFoundError), (folder / NAME).open("r+b") as file:
        fd = file.fileno()
        found = os.fstat(fd)
        if found.st_blocks * 512 <= KEPT + GRAIN:
            return
        old = (found.st_size - KEPT) // GRAIN * GRAIN
        if old > 0 and _libc.fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 0, old):
            number = ctypes.get_errno()
            if number not in (errno.EOPNOTSUPP, errno.ENOSYS):
                raise OSError(number, os.strerror(number), str(file.name))
            # A filesystem without holes: QEMU goes on at the new end.
            os.ftruncate(fd, 0)
