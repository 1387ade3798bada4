"""A proportional bar: segments of a device, their used part, and labels under them."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from rehost.cli.look import EMPTY, OTHER, Kind, Look

FRAME = "bright_black"
NARROWEST = 2  # columns; a partition of 1 MiB on a disk of 16 TiB must be seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """`labels` are ways to say what it is, the longest first. `used` None: not known."""

    kind: Kind
    size: int
    used: int | None
    labels: tuple[str, ...]


def draw(segments: Sequence[Segment], width: int, look: Look) -> list[Text]:
    """Four lines, exactly `width` columns: the frame with the bar in it, and the labels."""
    segments = _merge(segments, width)
    columns = share(
        [s.size for s in segments], width - len(segments) - 1, least=_least(segments, width)
    )
    edge = Text(look.side, FRAME)
    bar = edge.copy()
    for segment, count in zip(segments, columns, strict=True):
        bar += _fill(segment, count, look) + edge
    return [
        _frame(columns, look.top),
        bar,
        _frame(columns, look.bottom),
        _labels(segments, columns, look),
    ]


def share(sizes: Sequence[int], columns: int, *, least: int) -> list[int]:
    """Divide `columns` in proportion to `sizes`, at least `least` to each; the sum is exact.

    There must be room: len(sizes) * least <= columns.
    """
    sizes = sizes if any(sizes) else [1] * len(sizes)
    small: set[int] = set()
    while True:
        rest = columns - least * len(small)
        whole = sum(s for i, s in enumerate(sizes) if i not in small)
        starved = {i for i, s in enumerate(sizes) if i not in small and s * rest < least * whole}
        if not starved:
            break
        small |= starved
    return _round([least if i in small else s * rest / whole for i, s in enumerate(sizes)], columns)


def _round(parts: Sequence[float], total: int) -> list[int]:
    """Round down, then give what is left to the largest remainders."""
    rounded = [int(part) for part in parts]
    by_remainder = sorted(range(len(parts)), key=lambda i: rounded[i] - parts[i])
    for i in by_remainder[: total - sum(rounded)]:
        rounded[i] += 1
    return rounded


def _least(segments: Sequence[Segment], width: int) -> int:
    return NARROWEST if len(segments) * (NARROWEST + 1) < width else 1


def _merge(segments: Sequence[Segment], width: int) -> list[Segment]:
    """Fewer segments than fit: the smallest become one at the end."""
    room = (width - 1) // 2
    if len(segments) <= room:
        return list(segments)
    by_size = sorted(range(len(segments)), key=lambda i: -segments[i].size)
    kept = set(by_size[: room - 1])
    rest = [s for i, s in enumerate(segments) if i not in kept]
    others = Segment(
        kind=OTHER,
        size=sum(s.size for s in rest),
        used=None,
        labels=(f"{len(rest)} more", "+"),
    )
    return [s for i, s in enumerate(segments) if i in kept] + [others]


def _fill(segment: Segment, columns: int, look: Look) -> Text:
    if segment.kind is EMPTY:
        return Text(" " * columns)
    if segment.used is None:
        return Text(look.unknown * columns, segment.kind.style)
    used = used_columns(segment.used, segment.size, columns)
    return Text(look.used * used + look.free * (columns - used), segment.kind.style)


def used_columns(used: int, size: int, columns: int) -> int:
    """A little used shows, and so does a little free, if there are two columns."""
    if used <= 0 or size <= 0:
        return 0
    if used >= size:
        return columns
    return min(max(round(columns * used / size), 1), max(columns - 1, 1))


def _frame(columns: Sequence[int], ends: tuple[str, str, str, str]) -> Text:
    left, line, join, right = ends
    return Text(left + join.join(line * count for count in columns) + right, FRAME)


def _labels(segments: Sequence[Segment], columns: Sequence[int], look: Look) -> Text:
    line = Text(" ")
    for segment, count in zip(segments, columns, strict=True):
        fitting = next((x for x in segment.labels if len(x) <= count), "")
        line.append(look.word(fitting).ljust(count + 1), segment.kind.style)
    return line
