"""What was swapped out is of no use on another machine; the header, with its UUID, is.

A hibernated machine is found too: its image replaces the signature, so it is not taken for swap.
"""

from collections.abc import Iterator

from rehost.model.ranges import Range, between
from rehost.storage import swap
from rehost.storage.content import expect, number
from rehost.storage.used.volume import Volume

HEAD = 64 << 10  # the longest page that Linux has


def free(volume: Volume) -> Iterator[Range]:
    """Raises BadFormat where anything is in doubt."""
    page = volume.read(swap.OFFSET, swap.SIZE)
    swap.parse(page)
    expect(page.endswith(b"SWAPSPACE2") and number(page, 1024, 4) == 1, "an old kind of swap")
    # What is behind its last page is not swap's.
    end = (number(page, 1028, 4) + 1) * swap.SIZE
    expect(HEAD < end <= volume.size, "it is longer than the volume")
    yield between(HEAD, end)
