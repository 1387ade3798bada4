"""The kernel's block tracer, as it was before eBPF. Formats: linux/blktrace_api.h.

Unlike all that is made by the bpf system call, a trace goes on when the process that began it is
killed. So a small process of its own waits for that, and ends it.
"""

import contextlib
import fcntl
import os
import select
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rehost.errors import BadFormat
from rehost.system import tracefs

SETUP, START, STOP, TEARDOWN = 0xC0481273, 0x1274, 0x1275, 0x1276
# name, action mask, buffer size and count, first and last sector, process
SETTINGS = struct.Struct("<32sH2xII4xQQI4x")
BUFFER_SIZE, BUFFERS = 512 << 10, 8  # per CPU
# magic, sequence, time, sector, bytes, action, process, device, CPU, error, length of what follows
RECORD = struct.Struct("<IIQQIIIIIHH")
MAGIC, MAGIC_MASK = 0x65617400, 0xFFFFFF00
READS, WRITES = 1 << 0, 1 << 1 | 1 << 13  # what to trace; bit 13: discards
QUEUED, ISSUED, COMPLETED = 1, 7, 8
NOTICE = 1 << 10


@dataclass(frozen=True, slots=True)
class Seen:
    """An event: bytes of the disk that a request or, if it was QUEUED, a bio is about."""

    action: int
    offset: int
    length: int


class Trace:
    """A running trace of one disk; ends when closed, or when this process does."""

    def __init__(self, path: str, what: int) -> None:
        """Raises OSError, also if the disk is being traced by someone else."""
        self._disk = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._open = contextlib.ExitStack()
        self._open.callback(os.close, self._disk)
        try:
            self._start(what)
        except BaseException:
            self._open.close()
            raise

    def events(self) -> Iterator[Seen]:
        """All that has happened until now. Raises BadFormat."""
        for cpu, fd in enumerate(self._buffers):
            while content := os.read(fd, BUFFER_SIZE):
                events, self._rests[cpu] = parse(self._rests[cpu] + content)
                yield from events

    def dropped(self) -> int:
        """How many events found no room."""
        return int(os.pread(self._dropped, 32, 0).split()[0])

    def close(self) -> None:
        self._open.close()

    def _start(self, what: int) -> None:
        settings = bytearray(SETTINGS.pack(b"", what, BUFFER_SIZE, BUFFERS, 0, 2**64 - 1, 0))
        fcntl.ioctl(self._disk, SETUP, settings)
        self._open.callback(_end, self._disk)
        self._open.callback(_guarded(self._disk).release)
        name = SETTINGS.unpack(settings)[0].rstrip(b"\0").decode()
        with tracefs.mounted("debugfs", (tracefs.DEBUGFS,), "block") as debug:
            folder = debug / "block" / name
            files = sorted(f for f in folder.iterdir() if f.name[5:].isdigit())
            self._buffers = [self._opened(f) for f in files]
            self._dropped = self._opened(folder / "dropped")
        self._rests = [b""] * len(self._buffers)
        fcntl.ioctl(self._disk, START)

    def _opened(self, path: Path) -> int:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._open.callback(os.close, fd)
        return fd


def parse(content: bytes) -> tuple[list[Seen], bytes]:
    """The events in whole records, and what is left of a last one. Raises BadFormat."""
    events = []
    at = 0
    while at + RECORD.size <= len(content):
        magic, _, _, sector, size, action, _, _, _, _, more = RECORD.unpack_from(content, at)
        if magic & MAGIC_MASK != MAGIC:
            raise BadFormat("not a record of blktrace")
        if at + RECORD.size + more > len(content):
            break
        at += RECORD.size + more
        if not action >> 16 & NOTICE:
            events.append(Seen(action & 0xFFFF, sector * 512, size))
    return events, content[at:]


class _guarded:
    """A process that ends the trace if this one is killed first."""

    def __init__(self, disk: int) -> None:
        self._stay, self._go = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            _guard(disk, self._stay)
        os.close(self._stay)

    def release(self) -> None:
        os.write(self._go, b"x")
        os.close(self._go)
        os.waitpid(self._child, 0)


def _guard(disk: int, pipe: int) -> None:
    """Never returns. Only system calls: the process has lost its other threads."""
    try:
        os.setsid()
        for fd in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208 - no objects now
            if fd not in (disk, pipe):
                with contextlib.suppress(OSError):
                    os.close(fd)
        select.select([pipe], [], [])
        if not os.read(pipe, 1):
            _end(disk)
    finally:
        os._exit(0)


def _end(disk: int) -> None:
    for command in (STOP, TEARDOWN):
        with contextlib.suppress(OSError):
            fcntl.ioctl(disk, command)
