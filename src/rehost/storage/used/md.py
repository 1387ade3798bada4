"""A member of a Linux software RAID. Formats: linux/raid/md_p.h.

The members of a RAID1 that is in order hold the same; each is looked into for itself. What other
levels make of their members is used as a whole.
"""

from rehost.model.ranges import Range
from rehost.storage import md
from rehost.storage.content import expect, number
from rehost.storage.used.volume import Read

SECTOR = 512
WITH_BITMAP = 0x1  # the only feature of version 1 that is known here
IN_SYNC = (1 << 64) - 1
LEVEL = 1
OLD_SIZE, OLD_ALIGNMENT = 4096, 64 << 10
OLD_CLEAN, OLD_SYNC = 0x1, 0x4
MOST_ROLES = 384


def data(read: Read, *, size: int, is_running: bool) -> Range:
    """Where the RAID's content is in a member. Raises BadFormat where anything is in doubt.

    A RAID that is running may say that it is not clean: then the kernel is asked for its content.
    """
    for offset in (*md.OFFSETS, md.offset_at_end(size)):
        if 0 <= offset <= size - md.SIZE:
            raw = read(offset, md.SIZE + 2 * MOST_ROLES)
            if number(raw, 0, 4) == md.MAGIC and number(raw, 4, 4) == 1:
                return _of_version_1(raw, offset, size, is_running=is_running)
    return _of_version_0(read, size, is_running=is_running)


def is_old(read: Read, *, size: int) -> bool:
    """It has a superblock of version 0.90, near its end."""
    at = _old_offset(size)
    return at >= 0 and number(read(at, 8), 0, 8) == md.MAGIC


def _old_offset(size: int) -> int:
    return size // OLD_ALIGNMENT * OLD_ALIGNMENT - OLD_ALIGNMENT


def _of_version_1(raw: bytes, offset: int, size: int, *, is_running: bool) -> Range:
    expect(number(raw, 144, 8) * SECTOR == offset, "a superblock of another place")
    expect(not number(raw, 8, 4) & ~WITH_BITMAP, "features that are not known")
    expect(number(raw, 72, 4) == LEVEL, "not RAID1")
    me, members = number(raw, 160, 4), number(raw, 92, 4)
    expect(me < min(number(raw, 220, 4), MOST_ROLES), "it has no role")
    expect(number(raw, 256 + 2 * me, 2) < members, "it has no role")
    expect(is_running or number(raw, 208, 8) == IN_SYNC, "the RAID was not stopped in order")
    start, length = number(raw, 128, 8) * SECTOR, number(raw, 80, 8) * SECTOR
    outside = offset < start or start + length <= offset
    expect(0 < length <= number(raw, 136, 8) * SECTOR and outside, "odd places")
    expect(start + length <= size, "it is longer than the volume")
    return Range(start, length)


def _of_version_0(read: Read, size: int, *, is_running: bool) -> Range:
    at = _old_offset(size)
    expect(at >= 0, "no superblock")
    raw = read(at, OLD_SIZE)
    versions = tuple(number(raw, place, 4) for place in (0, 4, 8))
    expect(versions == (md.MAGIC, 0, 90), "no superblock of version 0.90")
    expect(number(raw, 28, 4) == LEVEL, "not RAID1")
    expect(bool(number(raw, 3984, 4) & OLD_SYNC), "this member is not in order")
    expect(is_running or bool(number(raw, 132, 4) & OLD_CLEAN), "the RAID was not stopped in order")
    length = number(raw, 32, 4) * 1024
    expect(0 < length <= at, "it is longer than the volume")
    return Range(0, length)
