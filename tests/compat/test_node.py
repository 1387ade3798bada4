"""The life of a task, driven by the public SDK for Node.js: its client and its signer, unmodified.

Its package for SMS is not in the registry, so the requests are those that it describes.
"""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.compat.bodies import linux
from tests.compat.conftest import Service

pytestmark = pytest.mark.needs("node", "npm")
HERE = Path(__file__).parent / "node"
Call = Callable[..., Any]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "package-lock.json", "drive.cjs"):
        (folder / name).write_bytes((HERE / name).read_bytes())
    subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=True)
    return folder / "drive.cjs"


@pytest.fixture(scope="module")
def call(service: Service, program: Path) -> Iterator[Call]:
    with service.house() as house:
        where = house.project("node")
        house.user("node", node="operator")
    ak, sk = re.findall(r"[AS]K: (\S+)", service.rehost("user", "key", "create", "node"))
    words = ["node", str(program), service.url, ak, sk, where.id]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, cwd=program.parent) as node:
        assert node.stdin is not None
        assert node.stdout is not None
        out = node.stdout

        def one(method: str, url: str, data: object = None, **path: str) -> Any:
            asked: dict[str, object] = {"method": method, "url": url, "pathParams": path}
            asked |= {} if data is None else {"data": data}
            print(json.dumps(asked), file=node.stdin, flush=True)
            for line in out:
                if line.startswith("answer "):
                    return json.loads(line.removeprefix("answer "))
            pytest.fail("the client has ended")

        yield one
        node.stdin.close()


def task_of(source_id: str) -> dict[str, Any]:
    return {
        "name": "node-1",
        "type": "MIGRATE_BLOCK",
        "os_type": "LINUX",
        "source_server": {"id": source_id},
        "target_server": {"name": "web-new", "vm_id": ""},
        "region_name": "local",
        "region_id": "local",
        "project_name": "node",
        "project_id": "node",
    }


def test_the_life_of_a_task(call: Call):
    source_id = call("POST", "/v3/sources", linux())["id"]
    task_id = call("POST", "/v3/tasks", task_of(source_id))["id"]
    assert call("GET", "/v3/tasks/{task_id}", task_id=task_id)["state"] == "READY"

    assert "error" not in act(call, task_id, "start")
    command = call("GET", "/v3/sources/{server_id}/command", server_id=source_id)
    assert command["command_name"] == "START"
    assert command["command_param"]["task_id"] == task_id
    progress = {
        "subtask_name": "MIGRATE_LINUX_BLOCK",
        "progress": 40,
        "replicatesize": 4 << 30,
        "totalsize": 10 << 30,
        "process_trace": "",
        "migrate_speed": 812.5,
    }
    assert "error" not in call("PUT", "/v3/tasks/{task_id}/progress", progress, task_id=task_id)
    source = call("GET", "/v3/sources/{source_id}", source_id=source_id)
    assert source["current_task"]["id"] == task_id
    assert source["current_task"]["migrate_speed"] == 812.5
    assert (source["replicatesize"], source["totalsize"]) == (4 << 30, 10 << 30)

    assert call("DELETE", "/v3/tasks/{task_id}", task_id=task_id)["error"]["code"] == "SMS.2015"
    assert "error" not in act(call, task_id, "stop")
    command = call("GET", "/v3/sources/{server_id}/command", server_id=source_id)
    assert command["command_name"] == "STOP"
    result = {"command_name": "STOP", "result": "success", "result_detail": {}}
    call("POST", "/v3/sources/{server_id}/command_result", result, server_id=source_id)
    assert call("GET", "/v3/tasks/{task_id}", task_id=task_id)["state"] == "ABORT"

    assert "error" not in call("DELETE", "/v3/tasks/{task_id}", task_id=task_id)
    assert call("GET", "/v3/tasks/{task_id}", task_id=task_id)["error"]["status"] == 404
    source = call("GET", "/v3/sources/{source_id}", source_id=source_id)
    assert (source["current_task"], source["state"]) == (None, "waiting")


def act(call: Call, task_id: str, operation: str) -> Any:
    return call("POST", "/v3/tasks/{task_id}/action", {"operation": operation}, task_id=task_id)
