"""Copying an image: sharing its blocks where the filesystem can, else data alone, never holes."""

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from rehost.provider_errors import CloneStopped

FICLONE = 0x40049409
CANNOT = {errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS}
STEP = 64 << 20  # bytes


def copy_image(source: Path, target: Path, *, stopped: Callable[[], bool] = lambda: False) -> None:
    """Replace or create `target`; it is on disk when this returns. Raises OSError.

    Raises CloneStopped soon after `stopped` says so; then part of it is there.
    """
    old = os.open(source, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        new = os.open(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            if not _share(old, new):
                _copy_data(old, new, stopped)
            os.fsync(new)
        finally:
            os.close(new)
    finally:
        os.close(old)


def _share(old: int, new: int) -> bool:
    """XFS, btrfs and others: at once, whatever the size, and without taking space."""
    try:
        fcntl.ioctl(new, FICLONE, old)
    except OSError as e:
        if e.errno in CANNOT:
            return False
        raise
    return True


def _copy_data(old: int, new: int, stopped: Callable[[], bool]) -> None:
    os.ftruncate(new, os.fstat(old).st_size)
    unwritten = 0
    for begin, end in _data(old):
        at = begin
        while at < end:
            if stopped():
                raise CloneStopped
            if not (done := os.copy_file_range(old, new, min(STEP, end - at), at, at)):
                raise OSError(errno.EIO, "the image became shorter while it was copied")
            at += done
            unwritten += done
            if unwritten >= STEP:
                # Or all that memory takes is written at the end, when nothing can stop it.
                os.fdatasync(new)
                unwritten = 0


def _data(fd: int) -> Iterator[tuple[int, int]]:
    """Where a file has data: from, to."""
    end = 0
    while True:
        try:
            begin = os.lseek(fd, end, os.SEEK_DATA)
        except OSError as e:
            if e.errno == errno.ENXIO:  # only a hole is left
                return
            raise
        end = os.lseek(fd, begin, os.SEEK_HOLE)
        yield begin, end
