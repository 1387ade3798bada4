"""Filesystems that stand still for a moment, and a guard that lets them go on whatever happens.

While they do, nobody may wait for a write to them. This process is kept from writing by itself:
its memory is locked, its log is held back, its imports write nothing. Reads are harmless.

The guard is a process of its own, made before, in its own session, with its own locked memory and
the same descriptors. It thaws them when the deadline is over or this process is gone; so neither
SIGKILL nor SIGSTOP of the agent leaves a machine that cannot write.
"""

import contextlib
import ctypes
import errno
import fcntl
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from rehost.cutover_errors import FreezeEnded, FreezeFailed
from rehost.system import file_systems
from rehost.system.file_systems import FileSystem

log = logging.getLogger(__name__)

FIFREEZE, FITHAW = 0xC0045877, 0xC0045878
EXT4_CHECKPOINT = 0x4004662B
CANNOT = (errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL)
MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4
# What is said to the guard, and what it answers.
HOOK, FREEZE, DONE, END = b"p", b"f", b"d", b"x"
READY, KEPT, THAWED, THAWED_AND_UNHOOKED = b"r", b"k", b"t", b"u"
# How long after the deadline a stopped agent may take before the guard runs the hooks.
GRACE_S = 2.0

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Skipped:
    """What goes on writing during the freeze, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class PostHook:
    """A program that must run after the freeze if its counterpart was started before."""

    argv: tuple[str, ...]
    limit_s: float


@dataclass(slots=True)
class Freeze:
    """What was frozen, in order, and for how long. Filled in while it goes on."""

    frozen: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    duration_s: float = 0.0


class Freezer:
    """The filesystems of some disks, opened before anything is frozen. A context manager."""

    def __init__(
        self, disks: Sequence[str], *, limit_s: float, hooks: Sequence[PostHook] = ()
    ) -> None:
        """`hooks` are for the guard, in case that this process is gone."""
        self._limit_s = limit_s
        self._hooks = hooks
        self.freeze = Freeze()
        self.freeze.skipped += [Skipped(p, "swap") for p in file_systems.swaps(disks)]
        self._opened: list[tuple[str, int]] = []
        self._journals: list[int] = []
        self._cleanup = contextlib.ExitStack()
        try:
            for fs in file_systems.on_disks(disks):
                self._open(fs)
            self._guard = Guard([fd for _, fd in self._opened], limit_s, hooks)
        except BaseException:
            self._cleanup.close()
            raise

    def __enter__(self) -> "Freezer":
        return self

    def __exit__(self, *_: object) -> None:
        self._guard.end()
        self._cleanup.close()

    def hook_starts(self) -> None:
        """From now on, the guard runs the next of the hooks if this process is gone."""
        self._guard.say(HOOK)

    @contextlib.contextmanager
    def held(self, before: Callable[[], object]) -> Iterator[None]:
        """All are frozen within; `before` runs last before that.

        Raises FreezeFailed, FreezeEnded.
        """
        # What can be written now is written before anybody has to wait for it.
        for _, fd in self._opened:
            _libc.syncfs(fd)
        for fd in self._journals:
            with contextlib.suppress(OSError):  # not before 5.14
                fcntl.ioctl(fd, EXT4_CHECKPOINT, bytes(4))
        with _locked_memory(), _silence(), _first_in_line():
            before()
            self._guard.say(FREEZE)
            began = time.monotonic()
            frozen: list[int] = []
            try:
                for path, fd in self._opened:
                    if self._freeze(path, fd):
                        frozen.append(fd)
                yield
            finally:
                thawed = [_thaw(fd) for fd in reversed(frozen)]
                self.freeze.duration_s = time.monotonic() - began
                # Where nothing stands still there is no deadline.
                self.was_kept = (self._guard.kept() or not frozen) and all(thawed)
        if not self.was_kept:
            raise FreezeEnded(self._limit_s)

    @property
    def hooks_are_done(self) -> bool:
        """The guard has run them, because this process was stopped for too long."""
        return self._guard.unhooked

    def _open(self, fs: FileSystem) -> None:
        """Through a mount that nothing hides."""
        for mount in fs.mounts:
            try:
                fd = os.open(mount.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            except OSError:
                continue
            # From another mount namespace the id is not ours to compare.
            if mount.path.startswith("/proc/") or file_systems.mount_of(fd) == mount.id:
                self._cleanup.callback(os.close, fd)
                self._opened.append((mount.path, fd))
                self._journals += [fd] if fs.kind == "ext4" else []
                return
            os.close(fd)
        self.freeze.skipped.append(Skipped(fs.path, "another mount hides it"))

    def _freeze(self, path: str, fd: int) -> bool:
        try:
            fcntl.ioctl(fd, FIFREEZE, 0)
        except OSError as e:
            if e.errno in CANNOT:
                _libc.syncfs(fd)
                self.freeze.skipped.append(Skipped(path, "this filesystem cannot be frozen"))
                return False
            if e.errno == errno.EBUSY:
                raise FreezeFailed(path, "another program has frozen it, a backup perhaps") from e
            raise FreezeFailed(path, e.strerror or str(e)) from e
        self.freeze.frozen.append(path)
        return True


class Guard:
    """The other process."""

    def __init__(self, fds: Sequence[int], limit_s: float, hooks: Sequence[PostHook]) -> None:
        """Returns when it is ready. Raises FreezeFailed."""
        self.unhooked = False
        to_guard, self._say = os.pipe()
        self._answers, from_guard = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            _Guarding(fds, limit_s, hooks, to_guard, from_guard).run()
        os.close(to_guard)
        os.close(from_guard)
        if self._answer() != READY:
            self.end()
            raise FreezeFailed("anything", "the process that would thaw it did not start")

    def say(self, what: bytes) -> None:
        # It may have been killed; then the freeze is not trusted, see `kept`.
        with contextlib.suppress(BrokenPipeError):
            os.write(self._say, what)

    def kept(self) -> bool:
        """Whether nothing was thawed yet; there is no deadline any more."""
        self.say(DONE)
        answer = self._answer()
        self.unhooked = answer == THAWED_AND_UNHOOKED
        return answer == KEPT

    def end(self) -> None:
        self.say(END)
        os.close(self._say)
        os.close(self._answers)
        os.waitpid(self.pid, 0)

    def _answer(self) -> bytes:
        return os.read(self._answers, 1)


class _Guarding:
    """Inside the guard. Only system calls and what was imported before the fork."""

    def __init__(
        self,
        fds: Sequence[int],
        limit_s: float,
        hooks: Sequence[PostHook],
        told: int,
        answers: int,
    ) -> None:
        self._fds, self._limit_s, self._hooks = list(fds), limit_s, list(hooks)
        self._told, self._answers = told, answers
        self._started = 0
        self._thaw_at = self._unhook_at = float("inf")
        self._thawed = self._unhooked = False
        self._is_due = False  # something may be frozen, by the agent

    def run(self) -> NoReturn:
        try:
            self._prepare()
            while self._turn():
                pass
        except BaseException:
            self._thaw()
            self._unhook()
        finally:
            os._exit(0)

    def _prepare(self) -> None:
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
            file.write("-1000")
        mine = {*self._fds, self._told, self._answers}
        # Locks and connections of the agent must not live on in here.
        for fd in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208
            if fd not in mine:
                with contextlib.suppress(OSError):
                    os.close(fd)
        null = os.open("/dev/null", os.O_RDWR)
        for fd in range(3):
            if fd != null and fd not in mine:
                os.dup2(null, fd)
        os.chdir("/")
        _libc.mlockall(MCL_CURRENT | MCL_FUTURE)
        os.write(self._answers, READY)

    def _turn(self) -> bool:
        """Whether to go on."""
        now = time.monotonic()
        if now >= self._thaw_at:
            self._thaw()
            self._thaw_at, self._unhook_at = float("inf"), now + GRACE_S
        if now >= self._unhook_at:
            self._unhook()
            self._unhook_at = float("inf")
        next_at = min(self._thaw_at, self._unhook_at)
        wait = None if next_at == float("inf") else max(0.0, next_at - time.monotonic())
        if not select.select([self._told], [], [], wait)[0]:
            return True
        said = os.read(self._told, 1)
        return self._heed(said)

    def _heed(self, said: bytes) -> bool:
        if said == HOOK:
            self._started += 1
        elif said == FREEZE:
            self._is_due = True
            self._thaw_at = time.monotonic() + self._limit_s
        elif said == DONE:
            self._is_due = False
            self._thaw_at = self._unhook_at = float("inf")
            answer = THAWED if self._thawed else KEPT
            os.write(self._answers, THAWED_AND_UNHOOKED if self._unhooked else answer)
        elif not said:  # the agent is gone
            self._thaw()
            self._unhook()
        return said not in (b"", END)

    def _thaw(self) -> None:
        """What others have frozen, a backup for example, is not touched."""
        self._thawed = True
        if not self._is_due:
            return
        for fd in reversed(self._fds):
            _thaw(fd)

    def _unhook(self) -> None:
        if self._unhooked:
            return
        self._unhooked = True
        for hook in reversed(self._hooks[: self._started]):
            with contextlib.suppress(OSError):
                _run(hook)


def _run(hook: PostHook) -> None:
    environ = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    # A group, not a session: glibc before 2.26 cannot spawn into one.
    pid = os.posix_spawn(hook.argv[0], hook.argv, environ, setpgroup=0)
    deadline = time.monotonic() + hook.limit_s
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return
        time.sleep(0.05)


def _thaw(fd: int) -> bool:
    """Whether it was frozen until now."""
    try:
        fcntl.ioctl(fd, FITHAW, 0)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _locked_memory() -> Iterator[None]:
    """Nothing that this process needs is fetched from or written to a disk meanwhile."""
    if _libc.mlockall(MCL_CURRENT) < 0:
        log.warning("memory cannot be locked: %s", os.strerror(ctypes.get_errno()))
    # What is added from now on is locked when it is used: a large buffer need not be filled first.
    _libc.mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)
    try:
        yield
    finally:
        _libc.munlockall()


@contextlib.contextmanager
def _first_in_line() -> Iterator[None]:
    """Every other program may be waiting for this thread: it does not wait for them."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -20)
    except OSError:  # without CAP_SYS_NICE
        yield
        return
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, before)


class _Held(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """What any thread logs is kept until this ends; imports leave no compiled files."""
    root = logging.getLogger()
    loggers = [
        root,
        *(x for x in root.manager.loggerDict.values() if isinstance(x, logging.Logger)),
    ]
    before = [(logger, logger.handlers) for logger in loggers if logger.handlers]
    held, compiles = _Held(), sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    for logger, _ in before:
        logger.handlers = [held]
    try:
        yield
    finally:
        for logger, handlers in before:
            logger.handlers = handlers
        sys.dont_write_bytecode = compiles
        for record in held.records:
            logging.getLogger(record.name).handle(record)
