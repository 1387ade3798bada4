"""Asks a mounted filesystem for its free space: ioctl_getfsmap(2), since Linux 4.12.

xfs and ext4 answer from memory. What they have allocated when they answer is not free, whether or
not they have written that down.
"""

import fcntl
import os
import struct
from collections.abc import Iterator

from rehost.errors import FileUnreadable
from rehost.model.ranges import Range

GETFSMAP = 0xC0C0583B  # _IOWR('X', 59, struct fsmap_head)
HEAD = struct.Struct("=4I48x")
RECORD = struct.Struct("=2I4Q24x")  # device, flags, physical, owner, offset, length
FIRST = RECORD.pack(0, 0, 0, 0, 0, 0)
LAST = RECORD.pack(0xFFFFFFFF, 0xFFFFFFFF, *[(1 << 64) - 1] * 3, 0)
SPECIAL_OWNER, IS_LAST = 0x10, 0x20
OWNER_FREE = 1
AT_ONCE = 4096  # records


def free_space(path: str, *, device: int) -> Iterator[Range]:
    """Free bytes of block device `device` (st_rdev), in order; `path` is in its filesystem.

    Raises FileUnreadable if the filesystem does not tell.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as e:
        raise FileUnreadable(path, e.strerror or str(e)) from e
    try:
        for number, flags, physical, owner, _, length in _records(fd, path):
            if number == _encoded(device) and flags & SPECIAL_OWNER and owner == OWNER_FREE:
                yield Range(physical, length)
    finally:
        os.close(fd)


def _records(fd: int, path: str) -> Iterator[tuple[int, ...]]:
    low, flags = FIRST, 0
    while not flags & IS_LAST:
        raw = bytearray(HEAD.pack(0, 0, AT_ONCE, 0) + low + LAST + bytes(AT_ONCE * RECORD.size))
        try:
            fcntl.ioctl(fd, GETFSMAP, raw)
        except OSError as e:
            raise FileUnreadable(path, f"its free space: {e.strerror or e}") from e
        entries = HEAD.unpack_from(raw)[3]
        if not 0 < entries <= AT_ONCE:
            return
        start = HEAD.size + 2 * RECORD.size
        found = raw[start : start + entries * RECORD.size]
        yield from RECORD.iter_unpack(found)
        low = bytes(found[-RECORD.size :])  # the kernel goes on behind it
        flags = RECORD.unpack(low)[1]


def _encoded(device: int) -> int:
    """A device's number in 32 bits, as the kernel writes it."""
    major, minor = os.major(device), os.minor(device)
    return (minor & 0xFF) | (major << 8) | ((minor & ~0xFF) << 12)
