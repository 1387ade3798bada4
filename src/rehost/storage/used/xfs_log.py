"""Whether an xfs log was emptied when the filesystem was unmounted.

Format: the kernel's fs/xfs/libxfs/xfs_log_format.h. The log is a ring of sectors; each begins with
the number of the round in which it was written. Where the number falls is its head.
"""

from collections.abc import Callable
from dataclasses import dataclass

from rehost.storage.content import big_number, expect
from rehost.storage.used.volume import Read

SECTOR = 512
RECORD_MAGIC = 0xFEEDBABE
LARGEST_RECORD = 1024  # sectors: more than an iclog of 256 KiB with its headers
CYCLES_IN_HEADER = 32 << 10  # bytes of a record that one header sector describes
UNMOUNT = 0x20  # flag of the operation that ends a clean log


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """In bytes of the volume."""

    offset: int
    size: int


def is_clean(read: Read, log: Log) -> bool:
    """Its last record, which ends where the log's head is, says that it was unmounted."""
    sectors = log.size // SECTOR
    expect(sectors > 2, "a log without room")

    def sector(number: int) -> bytes:
        return read(log.offset + number % sectors * SECTOR, SECTOR)

    head = _head(sector, sectors)
    for back in range(2, min(LARGEST_RECORD, sectors)):
        record = sector(head - back)
        if big_number(record, 0, 4) == RECORD_MAGIC:
            return _is_unmount(sector, record, start=head - back, length=back)
    return False


def _head(sector: Callable[[int], bytes], sectors: int) -> int:
    """The first sector that was not written in the round of sector 0."""
    first = _cycle(sector(0))
    written, other = 0, sectors
    while other - written > 1:
        middle = (written + other) // 2
        if _cycle(sector(middle)) == first:
            written = middle
        else:
            other = middle
    return other


def _cycle(sector: bytes) -> int:
    """A record's header has its magic first, and the round behind it."""
    first = big_number(sector, 0, 4)
    return big_number(sector, 4, 4) if first == RECORD_MAGIC else first


def _is_unmount(sector: Callable[[int], bytes], record: bytes, *, start: int, length: int) -> bool:
    version, size, whole = (big_number(record, at, 4) for at in (8, 12, 320))
    headers = max(1, -(-whole // CYCLES_IN_HEADER)) if version == 2 else 1
    operation = sector(start + headers)
    return (
        big_number(record, 40, 4) == 1
        and headers + -(-size // SECTOR) == length
        and bool(operation[9] & UNMOUNT)
    )
