"""How far this process stands back for others, at the CPUs and at the disks."""

import contextlib
import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_AUTOGROUP = Path("/proc/self/autogroup")
_THREADS = Path("/proc/self/task")
_LEAST = 19
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}
_IOPRIO_GET = {"x86_64": 252, "aarch64": 31}
_OF_A_THREAD = 1
BEST_EFFORT_LOWEST = 2 << 13 | 7
IDLE = 3 << 13
LIKE_OTHERS = 0  # as niceness has it

_libc = ctypes.CDLL(None)


def give_way(io_priority: int = BEST_EFFORT_LOWEST) -> None:
    """Everything else on this machine comes before this process.

    With IDLE, it has the disks only while nobody else wants them.
    """
    set_niceness(_LEAST)
    set_io_priority(io_priority)


def stand_back_no_more() -> None:
    """It is as important as any other."""
    set_niceness(0)
    set_io_priority(LIKE_OTHERS)


@contextmanager
def like_others() -> Iterator[None]:
    """Within, it stands back for nobody; afterwards, as it did before."""
    before = os.getpriority(os.PRIO_PROCESS, 0), io_priority()
    stand_back_no_more()
    try:
        yield
    finally:
        set_niceness(before[0])
        set_io_priority(before[1])


def set_niceness(value: int) -> None:
    """Of all its threads, as far as it is allowed.

    Most kernels share the CPUs among sessions first, and look at niceness within each only. So the
    session gets it too, where it is this process's own.
    """
    for thread in _threads():
        with contextlib.suppress(PermissionError, ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, thread, value)
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):
            _AUTOGROUP.write_text(str(value))


def set_io_priority(value: int) -> None:
    """Of all its threads; those that one of them starts have it, too. See ioprio_set(2)."""
    if (number := _IOPRIO_SET.get(os.uname().machine)) is not None:
        for thread in _threads():
            _libc.syscall(number, _OF_A_THREAD, thread, value)


def io_priority(thread: int = 0) -> int:
    """Of one thread, 0 is this one."""
    number = _IOPRIO_GET.get(os.uname().machine)
    return LIKE_OTHERS if number is None else int(_libc.syscall(number, _OF_A_THREAD, thread))


def _threads() -> list[int]:
    return [int(thread.name) for thread in _THREADS.iterdir()]
