"""What the kernel says of its tracepoints; tracefs is mounted for this where it is not."""

import contextlib
import ctypes
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rehost.errors import BadFormat

PLACES = (Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing"))
DEBUGFS = Path("/sys/kernel/debug")
FIELD = re.compile(r"field:[^;]*?(\w+)(?:\[\w*\])?;\s*offset:(\d+);\s*size:(\d+);")
MS_NOSUID_NODEV_NOEXEC, MNT_DETACH = 2 | 4 | 8, 2

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Event:
    """A tracepoint: its number for perf_event_open, and where the fields of its record are."""

    id: int
    offsets: dict[str, int]


def block_events(*names: str) -> list[Event]:
    """Raises OSError without tracefs or these events, BadFormat if they cannot be understood."""
    with mounted("tracefs", PLACES, "events") as folder:
        return [_event(folder / "events" / "block" / name) for name in names]


@contextlib.contextmanager
def mounted(kind: str, places: tuple[Path, ...], holds: str) -> Iterator[Path]:
    """Where the file system is; mounted in a folder of our own, for this time, if it is nowhere.

    `holds` is a name that is there once it is mounted. Raises OSError.
    """
    for place in places:
        if (place / holds).exists():
            yield place
            return
    folder = tempfile.mkdtemp(prefix="rehost-tracefs-")
    try:
        _mount(kind, folder)
        try:
            yield Path(folder)
        finally:
            _libc.umount2(folder.encode(), MNT_DETACH)
    finally:
        os.rmdir(folder)  # noqa: PTH106


def parse_format(text: str) -> dict[str, int]:
    """Offsets of the fields of an event's record. Raises BadFormat."""
    offsets = {name: int(offset) for name, offset, _ in FIELD.findall(text)}
    if not offsets:
        raise BadFormat("not the format of an event")
    return offsets


def _event(folder: Path) -> Event:
    number = int((folder / "id").read_text())
    return Event(number, parse_format((folder / "format").read_text()))


def _mount(kind: str, folder: str) -> None:
    arguments = (kind.encode(), folder.encode(), kind.encode(), MS_NOSUID_NODEV_NOEXEC, None)
    if _libc.mount(*arguments) < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"cannot mount {kind}: {os.strerror(error)}")
