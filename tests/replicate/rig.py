"""Both ends of a transfer: the receiver as a process of its own, the sender here."""

import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from rehost.contract.transfer import Certificates, agent_name, receiver_name
from rehost.stages.replicate.link import Peer
from tests.replicate.certificates import Authority

TASK = "6a1f7a3e-2f6c-4d0e-9f0c-0d8c7c1e5a01"
MIB = 1 << 20


def make_image(path: Path, size: int, *, seed: int = 1, holes: float = 0.3) -> Path:
    """Random, compressible and zero stretches, and holes; the same for the same seed."""
    draw = random.Random(seed)
    with path.open("wb") as file:
        file.truncate(size)
        at = 0
        while at < size:
            length = min(size - at, draw.randrange(1, 400) * 4096)
            kind = draw.random()
            if kind > holes:
                file.seek(at)
                file.write(_content(draw, length))
            at += length
    return path


def _content(draw: random.Random, length: int) -> bytes:
    kind = draw.random()
    if kind < 0.2:
        return bytes(length)
    if kind < 0.6:
        return (draw.randbytes(64) * (length // 64 + 1))[:length]
    return draw.randbytes(length)


@dataclass
class Receiver:
    """`python -m rehost.receiver` for one disk at `target`."""

    folder: Path
    target: Path
    size: int
    tls: bool = True
    host: str = "127.0.0.1"
    authority: Authority = field(default_factory=Authority)
    task_id: str = TASK
    process: "subprocess.Popen[str] | None" = None
    port: int = 0

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        if not self.target.exists():
            with self.target.open("wb") as file:
                file.truncate(self.size)

    def __enter__(self) -> "Receiver":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill(signal.SIGTERM)

    @property
    def agent(self) -> Certificates | None:
        return self.authority.issue(agent_name(self.task_id)) if self.tls else None

    @property
    def peer(self) -> Peer:
        return Peer(task_id=self.task_id, host="127.0.0.1", port=self.port, tls=self.agent)

    def start(self) -> None:
        """On the port that it had before, if it had one."""
        own = self.authority.issue(receiver_name(self.task_id)) if self.tls else None
        config = {
            "task_id": self.task_id,
            "host": self.host,
            "port": self.port,
            "folder": str(self.folder),
            "disks": [{"id": 0, "name": "/dev/vda", "size": self.size, "path": str(self.target)}],
            "tls": own
            and {"ca": own.ca, "certificate": own.certificate, "private_key": own.private_key},
        }
        file = self.folder / "config.json"
        file.write_text(json.dumps(config))
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rehost.receiver", file],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, self.log()
        self.port = json.loads(line)["port"]

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self.process:
            os.kill(self.process.pid, number)
            self.process.wait(60)
            assert self.process.stdout
            self.process.stdout.close()
            self.process = None

    def log(self) -> str:
        return (self.folder / "log").read_text()
