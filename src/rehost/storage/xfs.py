"""xfs. Format: xfs_dsb in "XFS Algorithms & Data Structures"; numbers are big-endian."""

from rehost.storage.content import Content, big_number, expect, uuid

OFFSET, SIZE = 0, 512  # of the superblock


def parse(superblock: bytes) -> Content:
    """Raises BadFormat unless this is a superblock.

    `inodes` is the number allocated so far: xfs makes more as it needs them.
    """
    expect(len(superblock) >= SIZE and superblock.startswith(b"XFSB"), "no xfs superblock")
    return Content(
        file_system="xfs",
        uuid=uuid(superblock[32:48]),
        block_size=big_number(superblock, 4, 4),
        blocks=big_number(superblock, 8, 8),
        inode_size=big_number(superblock, 104, 2),
        inodes=big_number(superblock, 128, 8),
    )
