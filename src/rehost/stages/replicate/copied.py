"""What of a disk its copy was given: all that is to be the same there."""

from bisect import bisect_right
from collections.abc import Iterable

from rehost.model.ranges import Range
from rehost.stages.replicate.followed import joined

_FEW = 1000  # are joined no more often, though they may be the same all the time


class Copied:
    """What was used at first, and what was written since and sent.

    What is allocated meanwhile and never written is not of it: nobody has sent what lies there.
    """

    def __init__(self, used: Iterable[Range] = ()) -> None:
        """`used` is in order, and apart from each other."""
        self._used = tuple(used)
        self._more: list[Range] = []
        self._joined_at = _FEW

    def add(self, ranges: Iterable[Range]) -> None:
        # Most of what is written was used before: days of that take no memory.
        self._more += (r for r in ranges if not self._has(r))
        if len(self._more) > self._joined_at:
            self._more = list(joined(self._more))
            self._joined_at = max(_FEW, 2 * len(self._more))

    @property
    def ranges(self) -> tuple[Range, ...]:
        """In order, and apart from each other."""
        return joined((*self._used, *self._more)) if self._more else self._used

    def _has(self, r: Range) -> bool:
        at = bisect_right(self._used, r.offset, key=lambda used: used.offset) - 1
        return at >= 0 and r.end <= self._used[at].end
