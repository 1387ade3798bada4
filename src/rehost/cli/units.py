"""Numbers and times as people read them."""

import time

UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
UNKNOWN = "?"
DURATIONS = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))


def size(count: int | None) -> str:
    """Three digits and a unit; "?" if it is not known."""
    if count is None:
        return UNKNOWN
    value = float(count)
    for unit in UNITS:
        if value < 999.5 or unit == UNITS[-1]:
            break
        value /= 1024
    digits = 0 if value >= 99.95 else 1
    return f"{value:.{digits}f}".removesuffix(".0") + f" {unit}"


def percent(part: int | None, whole: int | None) -> str:
    """Never "100 %" or "0 %" for what is only nearly so."""
    if part is None or not whole:
        return ""
    if 0 < part < whole:
        return f"{min(99, max(1, round(100 * part / whole)))} %"
    return f"{round(100 * part / whole)} %"


def memory(count: int | None) -> str:
    """Our agent reports bytes; others report MB, as the API's text says."""
    if count is not None and 0 < count < 1 << 24:
        return size(count << 20)
    return size(count)


def ago(milliseconds: int | None, now: float | None = None) -> str:
    """How long ago a time in ms since the epoch was; "" if there is none."""
    if not milliseconds:
        return ""
    seconds = max(0, int((time.time() if now is None else now) - milliseconds / 1000))
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds >= length:
            return f"{plural(seconds // length, unit)} ago"
    return "just now"


def duration(seconds: int) -> str:
    """Two units at most: "2 h 5 min", "1 min 30 s"."""
    if seconds < 60:
        return f"{seconds} s"
    length, unit, below, smaller = next(row for row in DURATIONS if seconds >= row[0])
    whole, rest = divmod(seconds, length)
    return f"{whole} {unit} {rest // below} {smaller}" if rest // below else f"{whole} {unit}"


def moment(milliseconds: int | None) -> str:
    """A time as people read it, in their own zone; empty if it is not known."""
    if milliseconds is None:
        return ""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(milliseconds / 1000))


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
