"""A stretch of bytes that a filesystem or another format may fill."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from rehost.model.ranges import Range, between
from rehost.storage.content import expect

Read = Callable[[int, int], bytes]  # offset, size; exactly so many bytes, or raises an Error


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """`read` gives what is on the medium.

    `node` is the block device that is exactly this volume, None where the kernel has none or
    where this is an image. `read_cached` reads through that node's page cache, which is where
    ext2/3/4 keep their metadata while they are mounted. `mount_points` are paths that lead into
    the filesystem; `is_mounted` is also true where none can be reached. `holders` are devices
    that the kernel has made of it, and `is_claimed` says that somebody uses it.
    """

    size: int
    read: Read
    read_cached: Read
    node: str | None = None
    is_mounted: bool = False
    mount_points: tuple[str, ...] = ()
    holders: tuple[str, ...] = ()
    is_claimed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """`length` bytes from `inside` on are those from `below` on of the volume below."""

    inside: int
    below: int
    length: int


def window(read: Read, *, offset: int, size: int) -> Read:
    """Reads within a part of what `read` reads."""
    return joined(read, (Segment(inside=0, below=offset, length=size),), size=size)


def joined(read: Read, segments: tuple[Segment, ...], *, size: int) -> Read:
    """Reads what lies in several places as if it were one. Raises BadFormat where nothing lies."""

    def within(offset: int, length: int) -> bytes:
        expect(0 <= offset <= offset + length <= size, f"{length} bytes at {offset} are outside")
        places = below([Range(offset, length)], segments)
        raw = b"".join(read(place.offset, place.length) for place in places)
        expect(len(raw) == length, f"not all {length} bytes at {offset} are on this disk")
        return raw

    return within


def below(ranges: Iterable[Range], segments: tuple[Segment, ...]) -> Iterator[Range]:
    """Where ranges of a volume are in the volume below."""
    for r in ranges:
        for s in segments:
            start, end = max(r.offset, s.inside), min(r.end, s.inside + s.length)
            if start < end:
                yield between(s.below + start - s.inside, s.below + end - s.inside)
