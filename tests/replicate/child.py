"""The sender as the agent has it: a process of its own that is told and tells."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

from rehost.contract.codec import encode
from rehost.model.task import Priority
from tests.replicate.rig import TASK, Receiver


class SenderChild:
    """`said` is what it said last, by kind. Killed at the end of the `with`, if it still runs."""

    def __init__(self, receiver: Receiver, device: str, **more: Any) -> None:
        self._job = {
            "task_id": TASK,
            "host": "127.0.0.1",
            "port": receiver.port,
            "tls": encode(receiver.agent),
            "disks": [{"id": 0, "name": device, "path": device}],
            # How busy this machine is, is not what these tests are about.
            "options": {"priority": Priority.HIGH},
            **more,
        }
        self.said: dict[str, Any] = {}
        self.all: list[dict[str, Any]] = []
        self.heard = threading.Condition()

    def __enter__(self) -> "SenderChild":
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rehost.agent.sender"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.tell(self._job)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdin
        self.process.stdin.close()

    def tell(self, command: object) -> None:
        assert self.process.stdin
        print(json.dumps(command), file=self.process.stdin, flush=True)

    def wait_for(self, what: Callable[[dict[str, Any]], bool], limit_s: float = 60) -> None:
        """Until it has said so, or has ended."""
        with self.heard:
            done = self.heard.wait_for(lambda: what(self.said) or self.has_ended, limit_s)
        assert done, self.said

    @property
    def has_ended(self) -> bool:
        return "result" in self.said or "error" in self.said

    @property
    def differed(self) -> list[Any]:
        """What the last comparison found, on all disks."""
        return [r for disk in self.said["verified"] for r in disk["differed"]]

    def result(self) -> dict[str, Any]:
        self.wait_for(lambda _: False, 120)
        assert "result" in self.said, self.said
        self.process.wait(30)
        return dict(self.said["result"])

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as lines:
            for line in lines:
                with self.heard:
                    self.said |= json.loads(line)
                    self.all.append(json.loads(line))
                    self.heard.notify_all()
