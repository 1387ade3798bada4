"""Disks made of sparse files: root and loop devices."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

MakeDisk = Callable[..., str]
Mounted = Callable[..., AbstractContextManager[Path]]


def run(*argv: object, ok: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run([str(a) for a in argv], check=False, capture_output=True, text=True)
    assert done.returncode in ok, f"{argv}: {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout


class Loops:
    """Loop devices over files or devices."""

    def __init__(self) -> None:
        self._attached: list[str] = []

    def __call__(self, path: str | Path, *, offset: int = 0, size: int = 0) -> str:
        window = ["--offset", offset, "--sizelimit", size] if size else []
        device = run("losetup", "--find", "--show", *window, path).strip()
        self._attached.append(device)
        return device

    def detach(self, device: str) -> None:
        self._attached.remove(device)
        run("losetup", "--detach", device)

    def detach_all(self) -> None:
        for device in reversed(self._attached[:]):
            self.detach(device)


@pytest.fixture
def attach() -> Iterator[Loops]:
    """All are detached at the end, pass or fail."""
    with ExitStack() as cleanup:
        loops = Loops()
        cleanup.callback(loops.detach_all)
        yield loops


@pytest.fixture
def make_disk(tmp_path: Path, attach: Loops) -> MakeDisk:
    """An empty disk of so many bytes: a loop device over a sparse file."""

    def make(name: str, size: int) -> str:
        image = tmp_path / f"{name}.img"
        with image.open("wb") as file:
            file.truncate(size)
        return attach(image)

    return make


@pytest.fixture
def make_slow_disk(tmp_path: Path) -> Iterator[MakeDisk]:
    """An empty disk, in memory, whose writes each take so long."""
    with ExitStack() as cleanup:

        def make(size: int, *, delay_ms: int) -> str:
            file = tmp_path / "slow"
            file.touch()
            nbdkit = ("nbdkit", "-s", "--filter=delay", "memory", str(size), f"wdelay={delay_ms}ms")
            process = cleanup.enter_context(
                subprocess.Popen(["nbdfuse", file, "--command", *nbdkit])
            )
            cleanup.callback(run, "fusermount3", "-u", "-z", file)
            while file.stat().st_size == 0:
                assert process.poll() is None
                time.sleep(0.02)
            # Not through the page cache: what is on its way must not be read from there.
            device = run("losetup", "--find", "--show", "--direct-io=on", file).strip()
            cleanup.callback(run, "losetup", "--detach", device)
            return device

        yield make


@pytest.fixture
def mounted(tmp_path: Path) -> Mounted:
    """Mounts a device within a `with`."""
    count = iter(range(1000))

    @contextmanager
    def mounted(device: str, *options: str) -> Iterator[Path]:
        folder = tmp_path / f"mnt{next(count)}"
        folder.mkdir()
        run("mount", *options, device, folder)
        try:
            yield folder
        finally:
            run("umount", folder)

    return mounted
