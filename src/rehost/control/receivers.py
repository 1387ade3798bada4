"""The receiver processes of a runner: one for each task whose target is open for its agent."""

import json
import logging
import os
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from rehost.contract.transfer import NO_PORT, ReceivedDisk, ReceiverConfig
from rehost.control.authority import Authority
from rehost.stream_errors import NoPortFree
from rehost.system.files import write_atomically
from rehost.system.process import Process, start
from rehost.task_errors import ReceiverFailed

log = logging.getLogger(__name__)

TRIES = 6  # in a row: a receiver that was killed, or finds its folder still locked, comes again
BACKOFF_S = 0.5
STEADY_S = 10.0  # after which a receiver counts as having worked: what it got until then stays
PATIENCE_S = 60.0  # to write down what it has; then it is killed, and nothing acknowledged is lost
RENEW_S = 5 * 24 * 3600.0  # before its certificate of a week ends
# What a receiver needs of our environment; never the database's password.
ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "VIRTUAL_ENV", "TMPDIR")


@dataclass(kw_only=True)
class _Receiver:
    process: Process
    run: int
    output: Path
    started: float
    port: int | None = None
    stopping: float | None = None  # since when


@dataclass(kw_only=True)
class _Failures:
    count: int = 0
    next_try: float = 0.0


class Receivers:
    """Used by one thread, which lives as long as the service: receivers end with it."""

    def __init__(
        self, folder: Path, authority: Authority, *, host: str, ports: range = range(1)
    ) -> None:
        """`host` is the address that they listen at, `ports` where; range(1) is anywhere."""
        self._folder = folder
        self._ports = ports
        self._authority = authority
        self._host = host
        self._running: dict[str, _Receiver] = {}
        self._failed: dict[str, _Failures] = {}

    @property
    def tasks(self) -> frozenset[str]:
        return frozenset(self._running)

    def port(self, task_id: str, run: int, disks: tuple[ReceivedDisk, ...]) -> int | None:
        """Where the receiver of the task's run listens; None if it does not yet: ask again soon.

        Starts it if it does not run, once an earlier run's has ended. Raises ReceiverFailed if it
        ends again and again, NoPortFree if it found none.
        """
        receiver = self._running.get(task_id)
        if receiver is None:
            failures = self._failed.get(task_id)
            if failures is None or time.monotonic() >= failures.next_try:
                self._running[task_id] = self._start(task_id, run, disks)
            return None
        if receiver.process.status() is not None:
            self._ended(task_id, receiver)
            return None
        is_old = receiver.run != run or time.monotonic() - receiver.started > RENEW_S
        if is_old or receiver.stopping is not None:
            self.stop(task_id)
            return None
        if receiver.port is None and (port := _port(receiver.output)) is not None:
            receiver.port = port
            self._forget_key(task_id)  # it has read it
        return receiver.port

    def stop(self, task_id: str) -> bool:
        """Have the task's receiver end; returns whether it has. Call again until it has."""
        receiver = self._running.get(task_id)
        if receiver is None:
            self._forget_key(task_id)  # of one whose service was killed
            return True
        if receiver.process.status() is None:
            now = time.monotonic()
            if receiver.stopping is None:
                receiver.stopping = now
                receiver.process.signal(signal.SIGTERM)
            elif now - receiver.stopping > PATIENCE_S:
                log.warning("task %s: its receiver does not end; killed", task_id)
                receiver.process.signal(signal.SIGKILL)
            return False
        del self._running[task_id]
        self._failed.pop(task_id, None)
        self._forget_key(task_id)
        return True

    def remove(self, task_id: str) -> None:
        """Delete what receivers of the task noted; none may run."""
        shutil.rmtree(self._home(task_id), ignore_errors=True)

    def close(self) -> None:
        """End all receivers."""
        for receiver in self._running.values():
            receiver.process.signal(signal.SIGTERM)
        for task_id, receiver in self._running.items():
            receiver.process.stop()
            self._forget_key(task_id)
        self._running.clear()

    def _start(self, task_id: str, run: int, disks: tuple[ReceivedDisk, ...]) -> _Receiver:
        home = self._home(task_id)
        notes = home / "notes"
        notes.mkdir(mode=0o700, parents=True, exist_ok=True)
        config = ReceiverConfig(
            task_id=task_id,
            run=run,
            host=self._host,
            port=self._ports[0],
            last_port=self._ports[-1],
            folder=notes.absolute(),
            disks=disks,
            tls=self._authority.receiver(task_id),
        )
        file = self._config(task_id)
        encoded = msgspec.json.encode(config, enc_hook=os.fspath)
        write_atomically(file, encoded, mode=0o600)
        output = home / "output"
        process = start(
            [sys.executable, "-m", "rehost.receiver", str(file.absolute())],
            name=f"receiver of task {task_id}",
            output=output,
            log=home / "log",
            environ={n: os.environ[n] for n in ENVIRONMENT if n in os.environ},
        )
        return _Receiver(process=process, run=run, output=output, started=time.monotonic())

    def _ended(self, task_id: str, receiver: _Receiver) -> None:
        """Count it, unless it was told to end or had worked for long.

        Raises ReceiverFailed, NoPortFree.
        """
        del self._running[task_id]
        now = time.monotonic()
        if receiver.stopping is not None or now - receiver.started > STEADY_S:
            self._failed.pop(task_id, None)
            return
        if receiver.process.status() == NO_PORT:
            raise NoPortFree(self._host, self._ports[0], self._ports[-1])
        failures = self._failed.setdefault(task_id, _Failures())
        failures.count += 1
        failures.next_try = now + BACKOFF_S * 2**failures.count
        status, said = receiver.process.status(), receiver.process.tail()
        log.warning("task %s: its receiver ended with status %s", task_id, status)
        if failures.count >= TRIES:
            del self._failed[task_id]
            raise ReceiverFailed(f"it ended with status {status}: {said}")

    def _config(self, task_id: str) -> Path:
        """Has the receiver's private key: it is there only from a start until it was read."""
        return self._home(task_id) / "config.json"

    def _forget_key(self, task_id: str) -> None:
        self._config(task_id).unlink(missing_ok=True)

    def _home(self, task_id: str) -> Path:
        return self._folder / task_id


def _port(output: Path) -> int | None:
    """What the receiver says on its first line, once it is complete."""
    line, end, _ = output.read_text(errors="replace").partition("\n")
    return int(json.loads(line)["port"]) if end else None
