"""The whole chain as it is used: a service, the agent of a machine, and a disk that is migrated."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rehost.storage.used.disk import used_ranges
from tests.compat.conftest import Service
from tests.compat.rig import Rig

MIB = 1 << 20
SECTOR = 512
PATIENCE_S = 120
ENDED = ("MIGRATE_SUCCESS", "MIGRATE_FAIL", "SYNC_SUCCESS", "SYNC_FAIL", "ABORT")


@dataclass
class Machine:
    """An agent, registered at a service, that has `disk` to be migrated, and nothing else."""

    service: Service
    folder: Path
    disk: Path
    options: tuple[str, ...] = ()  # of `rehost-agent run`
    process: "subprocess.Popen[bytes] | None" = None
    rig: Rig = field(init=False)
    source_id: str = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.rig = Rig(self.service, self.service.token())
        token = self.folder / "token"
        token.write_text(self.rig.token)
        whom = ("--service", self.service.url, "--token-file", str(token))
        self._agent("register", *whom, "--disk", str(self.disk)).wait(60)
        enrolment = json.loads((self.folder / "agent.json").read_text())["enrolment"]
        self.source_id = enrolment["source_id"]
        disks = self.rig.shown(self.source_id)["disks"]
        others = [d["name"] for d in disks if d["name"] != str(self.disk)]
        left_out = [{"id": name, "need_migration": False} for name in others]
        self.rig.call("PUT", f"/v3/sources/{self.source_id}", {"disks": left_out})

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def child(self) -> int | None:
        """The agent's process that copies."""
        return process_of("rehost.agent.sender", parent=self.process.pid if self.process else 0)

    def start(self) -> None:
        self.process = self._agent("run", *self.options, "--verbose")

    def kill(self) -> None:
        """SIGKILL to the agent and what it started, at once."""
        child = self.child
        assert self.process
        self.process.kill()
        if child:
            kill(child)
        self.process.wait(60)

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            finally:
                self.process.kill()
                self.process.wait()

    def task(self, **more: Any) -> str:
        wanted = {"start_target_server": False, "auto_start": True} | more
        return self.rig.task(self.source_id, **wanted)

    def show(self, task_id: str) -> Any:
        """None while the service does not answer."""
        with contextlib.suppress(OSError):
            return self.rig.show(task_id)
        return None

    def until(self, what: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
        """What it gives, as soon as that is something."""
        end = time.monotonic() + patience_s
        while not (found := what()):
            if time.monotonic() > end:
                logs = self.log[-3000:] + self.service.log.read_text()[-3000:]
                pytest.fail(f"it did not come: {logs}")
            time.sleep(0.1)
        return found

    def until_ended(self, task_id: str, patience_s: float = PATIENCE_S) -> Any:
        """The task, once it has come to an end of any kind."""
        return self.until(
            lambda: (t := self.show(task_id)) and t["state"] in ENDED and t, patience_s
        )

    def until_copied(self, task_id: str, size: int) -> Any:
        """The source as it is shown once so many bytes are durable at the target."""
        return self.until(
            lambda: (s := self.rig.shown(self.source_id))["replicatesize"] >= size and s
        )

    def target(self, task_id: str) -> Path:
        [image] = (self.service.data / "targets" / task_id).glob("disk-*.img")
        return image

    def _agent(self, command: str, *options: str) -> "subprocess.Popen[bytes]":
        argv = [sys.executable, "-m", "rehost.agent", command, "--state-dir", str(self.folder)]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [*argv, *options], stdout=log, stderr=log, start_new_session=True
            )


def make_disk(path: Path, size: int, *, seed: int = 1) -> Path:
    """Nothing on it can be left out, or packed."""
    draw = random.Random(seed)
    with path.open("wb") as file:
        for at in range(0, size, MIB):
            file.write(draw.randbytes(min(MIB, size - at)))
    return path


def set_limit(machine: Machine, task_id: str, speed: int) -> None:
    """Mbit/s, all day long; 0 is none."""
    day = [{"start": "00:00", "end": "24:00", "speed": speed}]
    machine.rig.call("POST", f"/v3/tasks/{task_id}/speed-limit", {"speed_limit": day})


def receiver_of(task_id: str) -> int | None:
    return process_of("rehost.receiver", naming=task_id)


def process_of(module: str, *, naming: str = "", parent: int = 0) -> int | None:
    return next(processes_of(module, naming=naming, parent=parent), None)


def processes_of(module: str, *, naming: str = "", parent: int = 0) -> Iterator[int]:
    """The processes that run a module, with a word in their command lines, or of a parent."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            is_named = module in words and naming in " ".join(words)
            if is_named and parent in (0, parent_of(int(entry.name))):
                yield int(entry.name)


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def written(pid: int | None) -> int:
    """Bytes that a process has written to files, its disk's and its own; 0 once it is gone."""
    with contextlib.suppress(OSError):
        said = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
        return int(said["wchar"])
    return 0


def differing(source: Path, target: Path) -> list[int]:
    """The places, by MiB, where what is used on the source is not so on the target."""
    wrong = []
    with source.open("rb") as one, target.open("rb") as other:
        for used in used_ranges(str(source)):
            for at in range(used.offset, used.end, MIB):
                length = min(MIB, used.end - at)
                one.seek(at)
                other.seek(at)
                if one.read(length) != other.read(length):
                    wrong.append(at // MIB)
    return wrong


@contextlib.contextmanager
def ended(*made: "Machine | Service") -> Iterator[None]:
    try:
        yield
    finally:
        for one in made:
            one.stop()
