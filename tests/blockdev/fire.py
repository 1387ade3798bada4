"""Writers of all kinds on a filesystem, and a copy that follows them. Also used inside guests."""

import mmap
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rehost.model.ranges import Range
from rehost.stages.cutover import cut
from rehost.stages.replicate.track import Follower

KIB, MIB = 1 << 10, 1 << 20
FILE = 8 * MIB


class Fire:
    """Threads that write in a folder until they are stopped; `gentle`: two, past the cache."""

    def __init__(self, folder: Path, seed: int, *, gentle: bool = False) -> None:
        self._folder, self._stop = folder, threading.Event()
        self._failed: list[BaseException] = []
        deeds = [self._write_blocks, self._write_directly, self._write_mapped, self._churn]
        if gentle:
            deeds = [self._write_directly, self._write_directly]
        self._threads = [
            threading.Thread(target=self._run, args=(deed, random.Random(seed + n)))
            for n, deed in enumerate(deeds)
        ]

    def __enter__(self) -> "Fire":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        assert self._failed == []

    def _run(self, deed: Callable[[random.Random], None], chance: random.Random) -> None:
        try:
            while not self._stop.is_set():
                deed(chance)
        except BaseException as e:
            self._failed.append(e)

    def _write_blocks(self, chance: random.Random) -> None:
        with self._file("blocks", os.O_RDWR) as fd:
            for _ in range(50):
                os.pwrite(fd, chance.randbytes(4096), chance.randrange(FILE // 4096) * 4096)
            os.fsync(fd)

    def _write_directly(self, chance: random.Random) -> None:
        size = chance.choice((4, 8, 64, 256)) * KIB
        with self._file("direct", os.O_RDWR | os.O_DIRECT) as fd, mmap.mmap(-1, size) as memory:
            for _ in range(20):
                memory[:] = chance.randbytes(4096) * (size // 4096)
                os.pwritev(fd, [memory], chance.randrange((FILE - size) // 4096) * 4096)

    def _write_mapped(self, chance: random.Random) -> None:
        with self._file("mapped", os.O_RDWR) as fd:
            os.ftruncate(fd, FILE)
            with mmap.mmap(fd, FILE) as memory:
                for _ in range(50):
                    at = chance.randrange(FILE - 100)
                    memory[at : at + 100] = chance.randbytes(100)
                memory.flush()

    def _churn(self, chance: random.Random) -> None:
        """Small files that come, grow, shrink and go; what they leave is discarded."""
        path = self._folder / f"churn{chance.randrange(40)}"
        deed = chance.randrange(4)
        if deed == 0:
            path.unlink(missing_ok=True)
        elif deed == 1 and path.exists():
            os.truncate(path, chance.randrange(path.stat().st_size + 1))
        else:
            with path.open("ab") as file:
                file.write(chance.randbytes(chance.randrange(300_000)))
                if path.stat().st_size > 2 * MIB:
                    file.truncate(0)
                if deed == 2:
                    os.fsync(file.fileno())

    @contextmanager
    def _file(self, name: str, flags: int) -> Iterator[int]:
        fd = os.open(self._folder / name, flags | os.O_CREAT)
        try:
            yield fd
        finally:
            os.close(fd)


class Copier:
    """Reads the disk itself, and writes an image."""

    def __init__(self, disk: str, image: Path) -> None:
        self._from = os.open(disk, os.O_RDONLY | os.O_DIRECT)
        self._to = os.open(image, os.O_RDWR | os.O_CREAT)
        self.size = os.lseek(self._from, 0, os.SEEK_END)
        os.ftruncate(self._to, self.size)
        self._memory = mmap.mmap(-1, MIB)

    def copy(self, ranges: tuple[Range, ...]) -> None:
        for r in ranges:
            for at in range(r.offset, r.end, MIB):
                part = memoryview(self._memory)[: min(MIB, r.end - at)]
                assert os.preadv(self._from, [part], at) == len(part)
                assert os.pwrite(self._to, part, at) == len(part)
                part.release()

    def differences(self) -> list[int]:
        """Offsets of the blocks in which the image differs from the disk."""
        part = memoryview(self._memory)[: 64 * KIB]
        found = []
        for at in range(0, self.size, len(part)):
            os.preadv(self._from, [part], at)
            if os.pread(self._to, len(part), at) != part:
                found.append(at)
        part.release()
        return found

    def close(self) -> None:
        os.close(self._from)
        os.close(self._to)
        self._memory.close()


def follow_fire(
    disk: str,
    folder: Path,
    image: Path,
    follower: Follower,
    *,
    seconds: float,
    gentle: bool = False,
) -> list[int]:
    """The blocks that differ after a copy under fire, a freeze and a last pass."""
    copier = Copier(disk, image)
    everything = (Range(0, copier.size),)

    def copy_changes() -> None:
        taken = follower.take(disk)
        copier.copy(everything if taken is None else taken)

    def last_pass() -> list[int]:
        copy_changes()
        return copier.differences()

    try:
        with Fire(folder, seed=int(seconds), gentle=gentle):
            copier.copy(everything)
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                copy_changes()
            return cut([disk], last_pass, limit_s=60).value
    finally:
        copier.close()
