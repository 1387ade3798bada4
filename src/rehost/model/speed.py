"""How fast a task may go, by the time of day on the source's own clock. Pure.

A row is from `start` to before `end`; one that ends where it starts, or earlier, goes on past
midnight. Speeds are Mbit/s, 0 is no limit.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from rehost.model.limits import Meta

DAY = 24 * 60  # minutes
TIME = r"^[0-9]{1,2}:[0-9]{2}(?![\s\S])"
TimeOfDay = Annotated[str, Meta(pattern=TIME, description="HH:MM, up to 24:00")]
Threshold = Annotated[
    float,
    Meta(ge=0, description="percent above the limit at which the task is stopped; 0: never"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedRow:
    start: TimeOfDay
    end: TimeOfDay
    speed: Annotated[int, Meta(ge=0, le=1000, description="Mbit/s; 0: no limit")] | None = None
    over_speed_threshold: Threshold | None = None


def minute(time: str) -> int | None:
    """Minutes since midnight of "HH:MM"; None if there is no such time."""
    if not re.match(TIME, time):
        return None
    hours, minutes = map(int, time.split(":"))
    return hours * 60 + minutes if minutes < 60 and hours * 60 + minutes <= DAY else None


def ranges(row: SpeedRow) -> Iterator[range]:
    """The minutes of a day that a row is about, as one or two ranges.

    Raises ValueError if one of its times is none.
    """
    start, end = minute(row.start), minute(row.end)
    if start is None or end is None:
        raise ValueError(row.start if start is None else row.end)
    start %= DAY
    if start < end:
        yield range(start, end)
        return
    yield range(start, DAY)
    if end:
        yield range(end)


def row_at(rows: Sequence[SpeedRow], now: int) -> SpeedRow | None:
    """The row that counts in this minute of the day."""
    return next((row for row in rows if any(now in part for part in ranges(row))), None)


def limit_at(rows: Sequence[SpeedRow], now: int) -> int:
    """The limit in this minute of the day, Mbit/s; 0: none."""
    row = row_at(rows, now)
    return (row.speed or 0) if row else 0


def overlap(rows: Sequence[SpeedRow]) -> tuple[SpeedRow, SpeedRow] | None:
    """Two rows that are about one minute, if there are such."""
    owner: dict[int, SpeedRow] = {}
    for row in rows:
        for part in ranges(row):
            for at in part:
                if at in owner and owner[at] is not row:
                    return owner[at], row
                owner[at] = row
    return None


def whole_day(rows: Sequence[SpeedRow], otherwise: int) -> tuple[SpeedRow, ...]:
    """The rows, and before them those that say `otherwise` of the rest of the day.

    If there is no such limit and there are rows, nothing needs to be said of the rest.
    """
    if not rows:
        return (_row(0, DAY, otherwise),)
    if not otherwise:
        return tuple(rows)
    free = [True] * DAY
    for row in rows:
        for part in ranges(row):
            free[part.start : part.stop] = [False] * len(part)
    return (*(_row(start, end, otherwise) for start, end in _runs(free)), *rows)


def _runs(free: Sequence[bool]) -> Iterator[tuple[int, int]]:
    start: int | None = None
    for at, is_free in enumerate((*free, False)):
        if is_free and start is None:
            start = at
        elif not is_free and start is not None:
            yield start, at
            start = None


def _row(start: int, end: int, speed: int) -> SpeedRow:
    return SpeedRow(start=_text(start), end=_text(end), speed=speed)


def _text(at: int) -> str:
    return f"{at // 60:02}:{at % 60:02}"
