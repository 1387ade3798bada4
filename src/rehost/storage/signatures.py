"""What fills a device. To add a format: a file here with a parser, and a line in FORMATS."""

from collections.abc import Callable

from rehost.errors import BadFormat
from rehost.storage import btrfs, crypt, ext, lvm, md, ntfs, swap, vfat, xfs
from rehost.storage.content import Content

# Containers come first: what was on a device before may still show behind their labels.
Parse = Callable[[bytes], Content]
FORMATS: tuple[tuple[int, int, Parse], ...] = (
    (lvm.OFFSET, lvm.SIZE, lvm.parse),
    (crypt.OFFSET, crypt.SIZE, crypt.parse),
    *((offset, md.SIZE, md.parse) for offset in md.OFFSETS),
    (xfs.OFFSET, xfs.SIZE, xfs.parse),
    (btrfs.OFFSET, btrfs.SIZE, btrfs.parse),
    (ext.OFFSET, ext.SIZE, ext.parse),
    (swap.OFFSET, swap.SIZE, swap.parse),
    (ntfs.OFFSET, ntfs.SIZE, ntfs.parse),
    (vfat.OFFSET, vfat.SIZE, vfat.parse),
)
Read = Callable[[int, int], bytes]  # offset, size


def identify(read: Read, *, size: int) -> Content | None:
    """The first format that is recognized on a device of `size` bytes, None if none is."""
    for offset, length, parse in (*FORMATS, md_at_end(size)):
        if offset >= 0 and (content := _parsed(read, offset, length, parse)):
            return content
    return None


def md_at_end(size: int) -> tuple[int, int, Parse]:
    """Where a member of a RAID may have its superblock, on a device of `size` bytes."""
    return md.offset_at_end(size), md.SIZE, md.parse


def _parsed(read: Read, offset: int, size: int, parse: Parse) -> Content | None:
    try:
        return parse(read(offset, size))
    except BadFormat:
        return None
