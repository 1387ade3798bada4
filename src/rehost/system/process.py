"""Programs that run beside this one and do not outlive it."""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rehost.errors import ProgramFailed

PATIENCE_S = 5.0  # to end by itself after SIGTERM
TAIL_LINES = 15
PR_SET_PDEATHSIG = 1


class Process:
    """A running program; what it prints goes to the file `log`."""

    def __init__(self, name: str, popen: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self._popen = popen
        self._log = log

    def check(self) -> None:
        """Raise ProgramFailed, with the end of its log, if it has ended."""
        if (status := self._popen.poll()) is not None:
            raise ProgramFailed(self.name, f"ended with status {status}", self.tail())

    def wait_until(self, ready: Callable[[], bool], *, limit_s: float) -> None:
        """Raise ProgramFailed if it ends first, or `ready` stays False for so long."""
        deadline = time.monotonic() + limit_s
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise ProgramFailed(self.name, f"is not ready after {limit_s:g} s", self.tail())
            time.sleep(0.1)

    def status(self) -> int | None:
        """Its exit status once it has ended, negative if a signal ended it; None while it runs."""
        return self._popen.poll()

    def signal(self, number: int) -> None:
        """Send a signal to it and its children; what has ended is not an error."""
        if self._popen.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._popen.pid, number)

    def stop(self) -> None:
        """End it and its children, by force if it takes longer than a few seconds."""
        _stop(self._popen)

    def tail(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-TAIL_LINES:])


def start(
    argv: Sequence[str], *, name: str, output: Path, log: Path, environ: Mapping[str, str]
) -> Process:
    """Run a program until it ends or is stopped; its output goes to one file, its log to another.

    It gets SIGTERM when the calling *thread* ends: call this from one that lives as long as the
    program is to.
    """
    with output.open("wb") as printed, log.open("ab") as logged:
        popen = subprocess.Popen(
            [*_dies_with_parent(), *argv],
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=logged,
            env=dict(environ),
            start_new_session=True,
        )
    return Process(name, popen, log)


@contextmanager
def running(
    argv: Sequence[str], *, name: str, log: Path, environ: Mapping[str, str]
) -> Iterator[Process]:
    """Run a program with all its children in a group of its own; leave none of it behind."""
    with log.open("wb") as output:
        popen = subprocess.Popen(
            [*_dies_with_parent(), *argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environ),
            start_new_session=True,
        )
    try:
        yield Process(name, popen, log)
    finally:
        _stop(popen)


def run(
    argv: Sequence[str],
    *,
    name: str,
    environ: Mapping[str, str],
    text: str = "",
    limit_s: float = 60,
    pass_fds: Sequence[int] = (),
) -> str:
    """What a program prints when given `text`. It inherits `pass_fds`. Raises ProgramFailed."""
    try:
        done = subprocess.run(
            [*_dies_with_parent(), *argv],
            input=text,
            capture_output=True,
            text=True,
            env=dict(environ),
            timeout=limit_s,
            pass_fds=pass_fds,
            check=False,
        )
    except subprocess.TimeoutExpired as e:
        raise ProgramFailed(name, f"did not end within {limit_s:g} s") from e
    if done.returncode:
        raise ProgramFailed(name, f"ended with status {done.returncode}", done.stderr.strip())
    return done.stdout


def end_with_parent(parent: int | None = None) -> None:
    """Get SIGTERM when the process that started this one ends, even if it was killed.

    With its id, also if it has ended already.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


def _dies_with_parent() -> tuple[str, ...]:
    """Even if this process is killed the hard way and cannot clean up."""
    return ("setpriv", "--pdeathsig", "TERM") if shutil.which("setpriv") else ()


def _stop(popen: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        # The group, not the process: it may have ended and left children.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(popen.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            popen.wait(PATIENCE_S)
