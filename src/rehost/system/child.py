"""A program that works beside this one and talks with it in lines of text."""

import contextlib
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

PATIENCE_S = 10.0


class Child:
    """A running program. What it prints is read by a thread of its own, so it never has to wait."""

    def __init__(self, argv: Sequence[str], *, environ: Mapping[str, str]) -> None:
        """Its errors go where this program's go. Raises OSError."""
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._popen = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=dict(environ),
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._popen.pid

    def tell(self, line: str) -> None:
        """Without effect on one that has ended."""
        assert self._popen.stdin is not None  # noqa: S101 - it was asked for
        with contextlib.suppress(OSError, ValueError):
            self._popen.stdin.write(f"{line}\n")
            self._popen.stdin.flush()

    def said(self) -> Iterator[str]:
        """The lines since the last time, without waiting."""
        with contextlib.suppress(queue.Empty):
            while True:
                yield self._lines.get_nowait()

    @property
    def status(self) -> int | None:
        """None while it runs. Once it is not None, `said` has all that it will ever say."""
        status = self._popen.poll()
        if status is not None:
            self._reader.join(PATIENCE_S)
        return status

    def end(self, patience_s: float = PATIENCE_S) -> None:
        """Close its input, which it takes for the end of its work; kill it if it does not."""
        assert self._popen.stdin is not None  # noqa: S101
        with contextlib.suppress(OSError):
            self._popen.stdin.close()
        try:
            self._popen.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        self._reader.join(PATIENCE_S)

    def kill(self) -> None:
        """End it and what it started, at once: files that those held are free when this returns."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self.end()
        deadline = time.monotonic() + PATIENCE_S
        while _group_runs(self._popen.pid) and time.monotonic() < deadline:
            time.sleep(0.01)

    def _read(self) -> None:
        assert self._popen.stdout is not None  # noqa: S101
        with self._popen.stdout as out:
            for line in out:
                self._lines.put(line)


def _group_runs(group: int) -> bool:
    """Whether a process of this group does; one that nobody has waited for yet holds nothing.

    Unless threads of it outlive the first one, which alone is shown.
    """
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # After the name, which may have anything in it; see proc(5).
            fields = entry.read_text(errors="replace").rpartition(")")[2].split()
            state, its, threads = fields[0], int(fields[2]), int(fields[17])
            if its == group and (state not in "ZX" or threads > 1):
                return True
    return False
