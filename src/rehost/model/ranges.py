"""Parts of a disk."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """Bytes of a disk, from `offset` on."""

    offset: int
    length: int

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.offset + self.length


def between(start: int, end: int) -> Range:
    return Range(start, end - start)
