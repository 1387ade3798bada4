"""Members of Linux software RAID. Format: struct mdp_superblock_1 in linux/raid/md_p.h."""

from rehost.storage.content import Content, expect, number, uuid

OFFSETS = (0, 4096)  # metadata 1.1 and 1.2; 1.0 and 0.90 are at the end of a device
SIZE = 256
MAGIC = 0xA92B4EFC


def parse(superblock: bytes) -> Content:
    """Raises BadFormat unless this is a superblock of version 1."""
    is_member = len(superblock) >= SIZE and number(superblock, 0, 4) == MAGIC
    expect(is_member and number(superblock, 4, 4) == 1, "no md superblock")
    return Content(
        file_system="linux_raid_member",
        uuid=uuid(superblock[16:32]),
    )


def offset_at_end(size: int) -> int:
    """Where the superblock of metadata 1.0 is on a device of `size` bytes."""
    return (size - 8192) & ~4095
