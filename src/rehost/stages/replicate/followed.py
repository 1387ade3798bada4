"""What is to be read of a disk, kept for each path under which it is followed."""

from collections.abc import Iterable, Sequence

from rehost.model.ranges import Range
from rehost.system.blockdev import Place


class Waiting:
    """Changes of one disk that are not yet taken, by the paths of the disk and its partitions."""

    def __init__(self, places: Sequence[Place]) -> None:
        self._places = {place.path: place for place in places}
        self._waiting: dict[str, list[Range] | None] = {path: [] for path in self._places}

    def add(self, ranges: Iterable[Range] | None) -> None:
        """None: something was written, and it is not known where."""
        new = None if ranges is None else list(ranges)
        for path, old in self._waiting.items():
            self._waiting[path] = None if old is None or new is None else old + new

    def take(self, path: str) -> tuple[Range, ...] | None:
        ranges, self._waiting[path] = self._waiting[path], []
        return None if ranges is None else within(self._places[path], joined(ranges))


def within(place: Place, ranges: Iterable[Range]) -> tuple[Range, ...]:
    """The part of them that belongs to a partition, counted from where it begins."""
    end = place.start + place.size
    cut = ((max(r.offset, place.start), min(r.end, end)) for r in ranges)
    return tuple(Range(a - place.start, b - a) for a, b in cut if a < b)


def joined(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """In order, and apart from each other."""
    result: list[Range] = []
    for r in sorted(ranges):
        if result and r.offset <= result[-1].end:
            last = result.pop()
            result.append(Range(last.offset, max(last.end, r.end) - last.offset))
        else:
            result.append(r)
    return tuple(result)
