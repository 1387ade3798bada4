"""Reading and writing disks past the page cache, in large aligned pieces.

Nothing here keeps the GIL while bytes move.
"""

import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import stat
from pathlib import Path

PAGE = 4096
SECTOR = 512
_BLKDISCARD = 0x1277
_BLKZEROOUT = 0x127F
_KEEP_SIZE, _PUNCH_HOLE = 1, 2
_ATTRIBUTE = "user.rehost.store"
_CACHESTAT = 451  # the number is the same on all architectures
_HUGE = 2 << 20
_PEEK = 64  # enough to know of nearly all data that they are not zeros
_ZEROS = bytes(_PEEK)
_COPY_SIZE = 1 << 20
_UNSUPPORTED = (errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.ENOSYS)
# The blocks that count as a file's also hold where the others are: of a share, at most.
_NOT_CONTENT = 256
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3

_libc = ctypes.CDLL(None, use_errno=True)
_quick = ctypes.PyDLL(None)  # for what takes less than giving the GIL away
_libc.memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


def keep_freed_memory() -> None:
    """Let the allocator reuse blocks of a MiB: page faults cost more than digesting them."""
    _libc.mallopt(_M_MMAP_THRESHOLD, 16 << 20)
    _libc.mallopt(_M_TRIM_THRESHOLD, 32 << 20)


class AlignedBuffer:
    """Memory that O_DIRECT takes. `front` bytes before `view` are for what is sent ahead of it."""

    def __init__(self, size: int, *, front: int = 0) -> None:
        before = PAGE if front else 0
        length = before + size
        self._map = mmap.mmap(-1, length + _HUGE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        start = -address % _HUGE
        with contextlib.suppress(OSError):
            # One huge page instead of hundreds that the kernel pins one by one for each request.
            self._map.madvise(mmap.MADV_HUGEPAGE)
        whole = memoryview(self._map)[start : start + length]
        self.view = whole[before:]
        self.front = whole[before - front : before]
        self._whole = whole
        self._address = address + start + before

    def with_front(self, length: int) -> memoryview:
        """The front and the first `length` bytes, as one piece."""
        at = len(self._whole) - len(self.view)
        return self._whole[at - len(self.front) : at + length]

    def is_zero(self, length: int) -> bool:
        """Whether the first `length` bytes are all zero."""
        if length > _PEEK and bytes(self.view[:_PEEK]) != _ZEROS:
            return False
        return not _libc.memcmp(self._address, self._address + 1, length - 1)


class BlockFile:
    """A block device or image file, open twice: O_DIRECT for what is aligned, plain for the rest.

    Threads may use one at once. OSError is raised as it comes.
    """

    def __init__(self, path: Path, *, writable: bool = False) -> None:
        mode = (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC
        self.path = path
        self._plain = os.open(path, mode)
        self._direct = _open_direct(path, mode)
        try:
            found = os.fstat(self._plain)
            self.is_device = stat.S_ISBLK(found.st_mode)
            self.size = os.lseek(self._plain, 0, os.SEEK_END)
            self._alignment = _alignment(self._direct, self.size)
            # A file that is cached as a whole may be read from there. One that is in part may not:
            # at the end of that part the kernel would read ahead, and cache more and more of it.
            # Nor may a device: what is cached of it may be older than what its filesystem wrote.
            content = min(self.size, found.st_blocks * SECTOR)
            self._cached = not self.is_device and (
                self._cached_pages(0, self.size) * PAGE >= content - content // _NOT_CONTENT
            )
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        os.close(self._plain)
        if self._direct is not None:
            os.close(self._direct)

    def size_now(self) -> int:
        """`size` is what it was when it was opened."""
        return os.lseek(self._plain, 0, os.SEEK_END)

    def lock(self) -> bool:
        """Take it for this process alone, until it is closed; False if another has it."""
        try:
            fcntl.flock(self._plain, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def attribute(self) -> bytes | None:
        """What `set_attribute` gave this very file; b"" if nothing, None where it cannot be."""
        if self.is_device:
            return None
        try:
            return os.getxattr(self._plain, _ATTRIBUTE)
        except OSError as e:
            return b"" if e.errno == errno.ENODATA else None

    def set_attribute(self, value: bytes) -> None:
        """Without effect on devices, and where files have no attributes."""
        if not self.is_device:
            with contextlib.suppress(OSError):
                os.setxattr(self._plain, _ATTRIBUTE, value)

    def read_into(self, view: memoryview, offset: int) -> None:
        """Fill `view`; raises OSError, EIO also where the file ends before."""
        at = 0
        cached = self._cached and self._cached_pages(offset, len(view)) * PAGE >= len(view)
        while at < len(view):
            fd = self._plain if cached else self._fd(offset + at, len(view) - at)
            done = os.preadv(fd, [view[at:]], offset + at)
            if not done:
                raise OSError(errno.EIO, "it ends before that", str(self.path))
            if fd == self._plain and not cached:
                # The source's own files are to stay in its cache, not ours.
                os.posix_fadvise(fd, offset + at, done, os.POSIX_FADV_DONTNEED)
            at += done

    def write(self, view: memoryview, offset: int) -> None:
        at = 0
        while at < len(view):
            fd = self._fd(offset + at, len(view) - at)
            at += os.pwrite(fd, view[at:], offset + at)

    def zero(self, offset: int, length: int) -> None:
        """Make it read as zeros, as holes where the target has them."""
        if self.is_device:
            done = self._device_range(_BLKZEROOUT, offset, length)
        else:
            done = self._punch(offset, length)
        if not done:
            self._write_zeros(offset, length)

    def discard(self, offset: int, length: int) -> None:
        """Give the space back, where that is possible."""
        if self.is_device:
            self._device_range(_BLKDISCARD, offset, length)
        else:
            self._punch(offset, length)

    def sync(self) -> None:
        """All that was written is durable when this returns."""
        os.fdatasync(self._plain)

    def next_data(self, offset: int) -> int | None:
        """Where the next bytes are that may not be zero; None if there are no more."""
        if self.is_device:
            return offset if offset < self.size else None
        try:
            return os.lseek(self._plain, offset, os.SEEK_DATA)
        except OSError as e:
            if e.errno == errno.ENXIO:
                return None
            raise

    def next_hole(self, offset: int) -> int:
        """Where the data that `offset` is in end."""
        return self.size if self.is_device else os.lseek(self._plain, offset, os.SEEK_HOLE)

    def _cached_pages(self, offset: int, length: int) -> int:
        """-1 where the kernel (before 6.5) cannot say."""
        wanted = (ctypes.c_uint64 * 2)(offset, length)
        found = (ctypes.c_uint64 * 5)()
        if _quick.syscall(_CACHESTAT, self._plain, wanted, found, 0):
            return -1
        return int(found[0])

    def _fd(self, offset: int, length: int) -> int:
        aligned = not (offset | length) & (self._alignment - 1)
        return self._direct if aligned and self._direct is not None else self._plain

    def _punch(self, offset: int, length: int) -> bool:
        return _supported(
            _libc.fallocate(self._plain, _PUNCH_HOLE | _KEEP_SIZE, offset, length), self.path
        )

    def _device_range(self, request: int, offset: int, length: int) -> bool:
        extent = (ctypes.c_uint64 * 2)(offset, length)
        return _supported(_libc.ioctl(self._plain, request, extent), self.path)

    def _write_zeros(self, offset: int, length: int) -> None:
        zeros = AlignedBuffer(min(length, _COPY_SIZE)).view
        for at in range(0, length, len(zeros)):
            self.write(zeros[: length - at], offset + at)


def _supported(result: int, path: Path) -> bool:
    if not result:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), str(path))


def _open_direct(path: Path, mode: int) -> int | None:
    """None where the file system has no O_DIRECT."""
    try:
        return os.open(path, mode | os.O_DIRECT)
    except OSError as e:
        if e.errno == errno.EINVAL:
            return None
        raise


def _alignment(direct: int | None, size: int) -> int:
    """The smallest that a direct read takes here: logical block size, in effect."""
    if direct is None:
        return PAGE
    buffer = AlignedBuffer(PAGE).view
    for alignment in (512, 1024, 2048):
        if size >= 2 * alignment and _reads(direct, buffer[:alignment], alignment):
            return alignment
    return PAGE


def _reads(fd: int, view: memoryview, offset: int) -> bool:
    try:
        return os.preadv(fd, [view], offset) == len(view)
    except OSError:
        return False
