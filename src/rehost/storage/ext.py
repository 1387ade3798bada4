"""ext2, ext3 and ext4. Format: the kernel's Documentation/filesystems/ext4/super.rst."""

from rehost.storage.content import Content, expect, number, uuid

OFFSET, SIZE = 1024, 1024  # of the superblock

COMPAT_HAS_JOURNAL = 0x4
INCOMPAT_JOURNAL_DEVICE = 0x8
INCOMPAT_64BIT = 0x80
INCOMPAT_OF_EXT3 = 0x2 | 0x4 | 0x10  # filetype, recover, meta_bg
RO_COMPAT_OF_EXT3 = 0x1 | 0x2 | 0x4  # sparse_super, large_file, btree_dir
REVISION_0_INODE_SIZE = 128


def parse(superblock: bytes) -> Content:
    """Raises BadFormat unless these are the 1024 bytes of a superblock."""
    expect(len(superblock) >= SIZE and number(superblock, 56, 2) == 0xEF53, "no ext superblock")
    log_block_size = number(superblock, 24, 4)
    expect(log_block_size <= 6, "an ext filesystem has blocks of at most 64 KiB")
    high = number(superblock, 0x150, 4) if _incompat(superblock) & INCOMPAT_64BIT else 0
    return Content(
        file_system=_kind(superblock),
        uuid=uuid(superblock[104:120]),
        block_size=1024 << log_block_size,
        blocks=number(superblock, 4, 4) | high << 32,
        inode_size=number(superblock, 88, 2) if _revision(superblock) else REVISION_0_INODE_SIZE,
        inodes=number(superblock, 0, 4),
    )


def _kind(superblock: bytes) -> str:
    """The oldest kernel driver that can mount it, as blkid has it."""
    if _incompat(superblock) & INCOMPAT_JOURNAL_DEVICE:
        return "jbd"
    newer = (
        _incompat(superblock) & ~INCOMPAT_OF_EXT3 | number(superblock, 100, 4) & ~RO_COMPAT_OF_EXT3
    )
    if newer:
        return "ext4"
    return "ext3" if number(superblock, 92, 4) & COMPAT_HAS_JOURNAL else "ext2"


def _incompat(superblock: bytes) -> int:
    return number(superblock, 96, 4)


def _revision(superblock: bytes) -> int:
    return number(superblock, 76, 4)
