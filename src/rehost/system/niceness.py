"""How far this process stands back for others."""

import contextlib
import os
from pathlib import Path

_AUTOGROUP = Path("/proc/self/autogroup")
_THREADS = Path("/proc/self/task")


def set_niceness(value: int) -> None:
    """Of all its threads, as far as it is allowed.

    Most kernels share the CPUs among sessions first, and look at niceness within each only. So the
    session gets it too, where it is this process's own.
    """
    for thread in _THREADS.iterdir():
        with contextlib.suppress(PermissionError, ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, int(thread.name), value)
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):
            _AUTOGROUP.write_text(str(value))
