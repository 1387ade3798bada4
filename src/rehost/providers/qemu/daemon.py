"""Machines that outlive the process that started them: found by their pid file, never mistaken."""

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

from rehost.provider_errors import MachineStuck

TERMINATE_S = 10.0  # QEMU flushes what it wrote and ends; longer if the disk hangs


@contextmanager
def process_of(pidfile: Path) -> Iterator[int | None]:
    """A descriptor of the process that was started with this pid file; None if it does not run.

    A number that another process has got since then is not mistaken for it: the process must name
    the file on its command line, however it spells the path, and a descriptor stays with one
    process.
    """
    try:
        pid = int(pidfile.read_text())
        fd = os.pidfd_open(max(pid, 1))
    except (FileNotFoundError, ProcessLookupError, ValueError, OverflowError):
        yield None
        return
    try:
        yield fd if _was_started_with(pid, pidfile) else None
    finally:
        os.close(fd)


def has_ended(pidfd: int, *, limit_s: float) -> bool:
    """Wait so long for the process to end."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(limit_s * 1000))


def end(pidfd: int, name: str) -> None:
    """End the process, asking first. Raises MachineStuck if not even the kernel can end it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, number)
        if has_ended(pidfd, limit_s=TERMINATE_S):
            return
    raise MachineStuck(name)


def _was_started_with(pid: int, pidfile: Path) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return any(
            option == b"-pidfile" and _is_same(Path(os.fsdecode(path)), pidfile)
            for option, path in pairwise(words)
        )
    return False


def _is_same(named: Path, pidfile: Path) -> bool:
    """Data folders are given by other paths, too: through links, or with `..` in them."""
    with suppress(OSError):
        return named.is_absolute() and named.samefile(pidfile)
    return False
