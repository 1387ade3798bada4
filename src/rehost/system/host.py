"""The only door to the operating system: what can be asked of a machine, and the live answers.

Nothing here changes the machine. Tests and bug reports answer from a recording instead: see
recording.py.
"""

import errno
import gzip
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol, TypeVar

from rehost.errors import (
    CommandFailed,
    CommandMissing,
    CommandTimedOut,
    FileMissing,
    FileUnreadable,
    HostError,
)
from rehost.system import bpf, cpio, pipes

T = TypeVar("T")

TIME_LIMIT_S = 10.0
READ_LIMIT = 1 << 20  # bytes
NO_VALUE = {errno.EINVAL, errno.ENODATA, errno.ENXIO, errno.ENODEV, errno.EOPNOTSUPP}
SYSTEM_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """statvfs of a mounted filesystem: counts of blocks of `block_size` bytes, and of inodes."""

    block_size: int
    blocks: int
    free: int
    available: int  # to others than root
    files: int


class Host(Protocol):
    """What a machine can be asked. Each method raises a HostError that says why it cannot."""

    def run(self, argv: Sequence[str], *, ok: Sequence[int] = (0,)) -> str:
        """What a program prints. Raises CommandFailed unless it exits with a status in `ok`."""

    def which(self, program: str) -> str | None:
        """The path of an installed program."""

    def read(self, path: str, *, offset: int = 0, size: int = READ_LIMIT) -> bytes:
        """Up to `size` bytes of a file or device."""

    def grep(self, path: str, pattern: str) -> tuple[str, ...]:
        """The lines of a text file, gzipped or not, in which the pattern is found."""

    def entries(self, folder: str) -> tuple[str, ...]:
        """The names in a folder, sorted."""

    def resolve(self, path: str) -> str:
        """The path without symbolic links."""

    def space(self, mount_point: str) -> Space:
        """The space of a mounted filesystem. Never ask for a network filesystem's."""

    def packed(self, archive: str, patterns: Sequence[str]) -> tuple[str, ...]:
        """Names in an initramfs that match a pattern; may stop once each pattern has matched."""

    def can_bpf(self) -> bool:
        """The bpf system call works for this process."""


class LiveHost:
    """This machine. Whatever hangs is given up after `time_limit_s`."""

    def __init__(
        self, *, time_limit_s: float = TIME_LIMIT_S, environ: Mapping[str, str] = os.environ
    ) -> None:
        self._limit_s = time_limit_s
        # Root's PATH under `su` or cron often lacks the sbin folders.
        self._path = ":".join((*environ.get("PATH", "").split(":"), *SYSTEM_PATH)).strip(":")

    def run(self, argv: Sequence[str], *, ok: Sequence[int] = (0,)) -> str:
        deadline = time.monotonic() + self._limit_s
        with self._started(argv, stdin=subprocess.DEVNULL) as process:
            try:
                out, err = pipes.drain(_pipes(process), deadline)
                process.wait(max(0.0, deadline - time.monotonic()))
            except (TimeoutError, subprocess.TimeoutExpired) as e:
                raise CommandTimedOut(" ".join(argv), self._limit_s) from e
            except OverflowError as e:
                raise CommandFailed(" ".join(argv), str(e)) from e
        if process.returncode not in ok:
            said = err.strip().splitlines() or [f"exit status {process.returncode}"]
            raise CommandFailed(" ".join(argv), said[-1])
        return out

    def which(self, program: str) -> str | None:
        return shutil.which(program, path=self._path)

    def read(self, path: str, *, offset: int = 0, size: int = READ_LIMIT) -> bytes:
        def pread() -> bytes:
            with _opened(path) as file:
                return _pread(file.fileno(), offset=offset, size=size)

        # A read of a disk that lost its last path never returns, and cannot be killed.
        return self._limited(path, pread) if path.startswith("/dev/") else pread()

    def grep(self, path: str, pattern: str) -> tuple[str, ...]:
        found = re.compile(pattern.encode()).search
        with _opened(path) as file:
            lines = gzip.GzipFile(fileobj=file) if path.endswith(".gz") else file
            return tuple(
                line.decode(errors="replace").rstrip("\n") for line in lines if found(line)
            )

    def entries(self, folder: str) -> tuple[str, ...]:
        with _explained(folder):
            return tuple(sorted(entry.name for entry in os.scandir(folder)))

    def resolve(self, path: str) -> str:
        with _explained(path):
            return str(Path(path).resolve(strict=True))

    def space(self, mount_point: str) -> Space:
        with _explained(mount_point):
            s = self._limited(mount_point, lambda: os.statvfs(mount_point))
        return Space(
            block_size=s.f_frsize,
            blocks=s.f_blocks,
            free=s.f_bfree,
            available=s.f_bavail,
            files=s.f_files,
        )

    def packed(self, archive: str, patterns: Sequence[str]) -> tuple[str, ...]:
        deadline = time.monotonic() + self._limit_s

        def unpack() -> tuple[str, ...]:
            with _opened(archive) as file:
                names = cpio.names(file, self._decompressor, deadline=deadline)
                return cpio.matching(names, patterns)

        return self._limited(archive, unpack)

    def can_bpf(self) -> bool:
        return bpf.works()

    @contextmanager
    def _decompressor(self, argv: Sequence[str], stdin: IO[bytes]) -> Iterator[IO[bytes]]:
        with self._started(argv, stdin=stdin) as process:
            yield _pipes(process)[0]

    @contextmanager
    def _started(
        self, argv: Sequence[str], *, stdin: int | IO[bytes]
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Start a program in a process group of its own, and leave none of it behind."""
        program = self.which(argv[0])
        if program is None:
            raise CommandMissing(argv[0])
        process = subprocess.Popen(
            [program, *argv[1:]],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": self._path, "LC_ALL": "C", "LANGUAGE": "C"},
            cwd="/",
            start_new_session=True,
        )
        try:
            yield process
        finally:
            _end(process)

    def _limited(self, what: str, question: Callable[[], T]) -> T:
        answer: list[T | BaseException] = []

        def ask() -> None:
            try:
                answer.append(question())
            except (OSError, HostError) as e:
                answer.append(e)

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(self._limit_s)
        if not answer:
            raise FileUnreadable(what, f"no answer within {self._limit_s:g} s")
        if isinstance(answer[0], BaseException):
            raise answer[0]
        return answer[0]


@contextmanager
def _explained(path: str) -> Iterator[None]:
    """Turn what the system says about a path into our errors."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as e:
        raise FileMissing(path) from e
    except PermissionError as e:
        raise FileUnreadable(
            path, "permission denied" if os.geteuid() == 0 else "only root may"
        ) from e
    except OSError as e:
        # /sys has files for values that a device turns out not to have.
        if e.errno in NO_VALUE and path.startswith("/sys/"):
            raise FileMissing(path) from e
        raise FileUnreadable(path, e.strerror or str(e)) from e
    except EOFError as e:
        raise FileUnreadable(path, str(e)) from e


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    with _explained(path), Path(path).open("rb", buffering=1 << 16) as file:
        yield file


def _pread(fd: int, *, offset: int, size: int) -> bytes:
    parts = []
    while size > 0 and (part := os.pread(fd, size, offset)):
        parts.append(part)
        offset, size = offset + len(part), size - len(part)
    return b"".join(parts)


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    if not process.stdout or not process.stderr:
        raise RuntimeError("started without pipes")
    return process.stdout, process.stderr


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of a program. One that is stuck in the kernel is abandoned."""
    # Not poll(): it may have ended, and left children that hold its pipes. Nobody has waited for
    # it, so the group is still its own.
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
    for pipe in (process.stdout, process.stderr):
        if pipe:
            pipe.close()
    try:
        process.wait(timeout=0.5)
    except subprocess.TimeoutExpired:
        return
