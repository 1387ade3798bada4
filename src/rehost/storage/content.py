"""What fills a block device, as read from its first blocks."""

from dataclasses import dataclass
from uuid import UUID

from rehost.errors import BadFormat

# Filesystems that have a fixed size of inodes.
WITH_INODES = {"ext2", "ext3", "ext4", "xfs"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """`file_system` is blkid's word for it, "" for nothing known, None for unread. Sizes are bytes.

    What a format does not have is 0; what was not read is None. `allocated` is what a filesystem
    on several devices takes of this one.
    """

    file_system: str | None
    uuid: str | None = ""
    block_size: int | None = 0
    blocks: int | None = 0
    inode_size: int | None = 0
    inodes: int | None = 0
    allocated: int | None = None


def expect(holds: bool, message: str) -> None:
    if not holds:
        raise BadFormat(message)


def text(raw: bytes) -> str:
    """A text field that ends at its first zero byte."""
    return raw.split(b"\0", 1)[0].decode(errors="replace")


def uuid(raw: bytes) -> str:
    return str(UUID(bytes=raw))


def number(raw: bytes, at: int, size: int) -> int:
    return int.from_bytes(raw[at : at + size], "little")


def big_number(raw: bytes, at: int, size: int) -> int:
    return int.from_bytes(raw[at : at + size], "big")
