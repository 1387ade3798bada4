"""A caller of one project of a service, for tests of tasks."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.compat.bodies import identified, linux, new_task
from tests.compat.conftest import Service

PATIENCE_S = 20


@dataclass
class Rig:
    """A project of one's own with a caller for it."""

    service: Service
    token: str

    def call(self, method: str, path: str, body: object = None, token: str = "") -> Any:
        status, _, answer = self.service.call(method, path, body, X_Auth_Token=token or self.token)
        assert status == 200, answer
        return answer

    def refused(
        self, method: str, path: str, body: object = None, token: str = ""
    ) -> tuple[int, str, str]:
        status, _, answer = self.service.call(method, path, body, X_Auth_Token=token or self.token)
        assert status != 200, answer
        return status, answer["error_code"], answer["error_msg"]

    def source(self, **changes: Any) -> str:
        return str(self.call("POST", "/v3/sources", linux(**changes))["id"])

    def agent(self, **changes: Any) -> tuple[str, str]:
        """A source with our own agent: its id and the agent's token."""
        body = linux(facts=identified(uuid.uuid4().hex), **changes)
        answer = self.call("POST", "/v3/sources", body)
        return answer["id"], answer["agent_token"]

    def shown(self, source_id: str) -> Any:
        return self.call("GET", f"/v3/sources/{source_id}")

    def task(self, source_id: str, **changes: Any) -> str:
        return str(self.call("POST", "/v3/tasks", new_task(source_id, **changes))["id"])

    def show(self, task_id: str) -> Any:
        return self.call("GET", f"/v3/tasks/{task_id}")

    def act(self, task_id: str, operation: str) -> None:
        self.call("POST", f"/v3/tasks/{task_id}/action", {"operation": operation})

    def command(self, source_id: str) -> str:
        return str(self.call("GET", f"/v3/sources/{source_id}/command")["command_name"])

    def result(self, source_id: str, name: str, result: str = "success", **detail: Any) -> None:
        told = {"command_name": name, "result": result, "result_detail": detail}
        self.call("POST", f"/v3/sources/{source_id}/command_result", told)

    def transfer(self, task_id: str, token: str = "") -> Any:
        """Where the agent sends to; None as long as the target is not ready."""
        path = f"/v3/rehost/tasks/{task_id}/transfer"
        status, _, answer = self.service.call("GET", path, X_Auth_Token=token or self.token)
        if status == 200:
            return answer
        assert (status, answer["error_code"]) == (409, "REHOST.4096"), answer
        return None

    def progress(self, task_id: str, progress: int, token: str = "", **said: Any) -> None:
        told = {"subtask_name": "MIGRATE_LINUX_BLOCK", "progress": progress, "replicatesize": 1,
                "totalsize": 2, "process_trace": ""}  # fmt: skip
        self.call("PUT", f"/v3/tasks/{task_id}/progress", told | said, token)

    def until(self, what: Callable[[], Any]) -> Any:
        """What it gives, as soon as that is something."""
        end = time.monotonic() + PATIENCE_S
        while not (found := what()):
            if time.monotonic() > end:
                pytest.fail("it did not come: " + self.service.log.read_text()[-2000:])
            time.sleep(0.05)
        return found

    def until_state(self, task_id: str, state: str) -> Any:
        return self.until(lambda: (t := self.show(task_id))["state"] == state and t)
