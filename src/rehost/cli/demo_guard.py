"""Removes what a demo made when the demo ends, even if it was killed and cannot.

    python -m rehost.cli.demo_guard FOLDER PID     # waits for the end of that process, or SIGTERM

Targets outlive their service on purpose; those of a demo would go on for ever.
"""

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rehost.cli.demo_service import Place
from rehost.providers.qemu import QemuProvider
from rehost.system import process


@contextmanager
def guarded(place: Place) -> Iterator[None]:
    """No target is left behind this, nor, if this process is killed, anything of the demo."""
    argv = [sys.executable, "-m", "rehost.cli.demo_guard", str(place.folder), str(os.getpid())]
    log = place.folder / "guard.log"
    with ExitStack() as stack:
        # The guard inherits what is blocked: an end that comes before it listens waits for it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            stack.enter_context(
                process.running(argv, name="the demo's guard", log=log, environ=place.environ)
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        stack.callback(remove_targets, place.data / "targets")
        yield


def remove_targets(folder: Path) -> None:
    """Turn them off, and delete them with their disks."""
    if folder.is_dir():
        provider = QemuProvider(folder)
        for server in folder.iterdir():
            provider.delete(server.name)


def main(folder: Path, demo: int) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    # It may have been killed before anything could tell this process of its end.
    process.end_with_parent(demo)
    signal.sigwait({signal.SIGTERM})
    remove_targets(folder / "data" / "targets")
    # Of a demo that was killed; others that die with it may still write there.
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
