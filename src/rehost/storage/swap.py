"""Swap. Format: union swap_header in the kernel's include/linux/swap.h."""

from rehost.storage.content import Content, expect, number, uuid

OFFSET, SIZE = 0, 4096
SIGNATURES = (b"SWAPSPACE2", b"SWAP-SPACE")


def parse(page: bytes) -> Content:
    """Raises BadFormat unless this is the first page of a swap area (of 4 KiB pages)."""
    expect(len(page) >= SIZE and page[SIZE - 10 : SIZE] in SIGNATURES, "no swap signature")
    return Content(
        file_system="swap",
        uuid=uuid(page[1036:1052]),
        block_size=SIZE,
        blocks=number(page, 1028, 4),
    )
