"""What the service does for tasks by itself: targets, receivers, and what outlives a kill."""

import json
import os
import signal
import socket
import ssl
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rehost.contract.transfer import receiver_name
from tests.compat.bodies import linux, new_task
from tests.compat.conftest import Service
from tests.compat.rig import Rig


@pytest.fixture(scope="module")
def own(make_service: Callable[..., Service]) -> Service:
    return make_service("--provider", "null")


@pytest.fixture
def rig(own: Service) -> Rig:
    return Rig(own, own.token(project=f"r-{uuid.uuid4().hex[:8]}"))


def small() -> dict[str, Any]:
    disk = linux()["disks"][0] | {"size": 64 << 20}
    return {"disks": [disk | {"physical_volumes": []}]}


def images(service: Service, task_id: str) -> list[Path]:
    return sorted((service.data / "targets" / task_id).glob("*.img"))


def receivers(task_id: str) -> list[int]:
    """The processes that receive for a task."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"rehost.receiver" in words and task_id.encode() in b" ".join(words):
                found.append(int(entry.name))
    return found


def test_a_task_from_start_to_end(rig: Rig):
    source_id = rig.source(**small())
    task_id = rig.task(source_id, auto_start=True)
    transfer = rig.until(lambda: rig.transfer(task_id))
    assert (transfer["host"], transfer["tls"]) == ("127.0.0.1", True)
    assert transfer["disks"] == [{"id": 0, "name": "/dev/vda", "size": 64 << 20}]
    socket.create_connection(("127.0.0.1", transfer["port"]), timeout=5).close()
    task = rig.show(task_id)
    done = {p["name"]: p["progress"] for p in task["sub_tasks"] if p["end_date"]}
    assert done == dict.fromkeys(
        ("CREATE_CLOUD_SERVER", "SSL_CONFIG", "ATTACH_AGENT_IMAGE", "FORMAT_DISK_LINUX_BLOCK"), 100
    )
    assert task["target_server"]["vm_id"] == task_id
    [image] = images(rig.service, task_id)
    assert image.stat().st_size == 1 << 30  # the least that is recommended
    assert rig.command(source_id) == "START"
    rig.progress(task_id, 100)
    rig.result(source_id, "START")
    task = rig.until_state(task_id, "MIGRATE_SUCCESS")
    undone = [p["name"] for p in task["sub_tasks"] if p["progress"] != 100]
    assert undone == ["SYNC_LINUX_BLOCK"]
    shown = rig.shown(source_id)
    assert (shown["state"], shown["migration_cycle"]) == ("finished", "cutovered")
    rig.until(lambda: not receivers(task_id))
    refused = rig.refused("GET", f"/v3/tasks/{task_id}/certkey")
    assert refused[:2] == (409, "REHOST.4095")
    rig.call("DELETE", f"/v3/tasks/{task_id}")
    rig.until(lambda: not (rig.service.data / "receivers" / task_id).exists())
    assert image.exists()  # what was migrated is kept
    assert rig.shown(source_id)["state"] == "finished"


def test_the_target_of_what_was_not_migrated_goes_with_its_task(rig: Rig):
    source_id = rig.source(**small())
    task_id = rig.task(source_id, auto_start=True)
    rig.until(lambda: rig.transfer(task_id))
    assert images(rig.service, task_id)
    rig.act(task_id, "stop")
    assert rig.command(source_id) == "STOP"
    rig.result(source_id, "STOP")
    rig.call("DELETE", f"/v3/tasks/{task_id}")
    rig.until(lambda: not images(rig.service, task_id))
    rig.until(lambda: not receivers(task_id))


def test_a_stopped_task_goes_on_with_the_same_target(rig: Rig):
    source_id = rig.source(**small())
    task_id = rig.task(source_id, auto_start=True)
    rig.until(lambda: rig.transfer(task_id))
    [image] = images(rig.service, task_id)
    with image.open("r+b") as file:
        file.write(b"half")
    rig.act(task_id, "stop")
    rig.command(source_id)
    rig.result(source_id, "STOP")
    rig.until(lambda: not receivers(task_id))
    rig.act(task_id, "restart")
    rig.until(lambda: rig.transfer(task_id))
    with image.open("rb") as file:
        assert file.read(4) == b"half"
    assert rig.command(source_id) == "START"


def test_a_task_that_is_kept_in_step(rig: Rig):
    source_id = rig.source(**small())
    task_id = rig.task(source_id, auto_start=True, syncing=True)
    assert rig.until(lambda: rig.transfer(task_id))["syncing"] is True
    rig.command(source_id)
    rig.progress(task_id, 100)
    shown = rig.shown(source_id)
    assert (shown["state"], shown["migration_cycle"]) == ("syncing", "syncing")
    rig.progress(task_id, 10, subtask_name="SYNC_LINUX_BLOCK")
    assert rig.transfer(task_id)
    rig.result(source_id, "START")
    rig.until_state(task_id, "SYNC_SUCCESS")
    rig.act(task_id, "sync")
    assert rig.command(source_id) == "SYNC"
    rig.until(lambda: rig.transfer(task_id))
    rig.result(source_id, "SYNC", "fail", error_code="X.1", error_msg="cut off")
    task = rig.until_state(task_id, "SYNC_FAIL")
    assert "cut off" in task["error_json"]


def test_a_receiver_that_is_killed_comes_again(rig: Rig):
    task_id = rig.task(rig.source(**small()), auto_start=True)
    first = rig.until(lambda: rig.transfer(task_id))
    [pid] = receivers(task_id)
    os.kill(pid, signal.SIGKILL)
    rig.until(lambda: receivers(task_id) and pid not in receivers(task_id))
    again = rig.until(lambda: (t := rig.transfer(task_id)) and t["port"] != first["port"] and t)
    assert again["disks"] == first["disks"]
    assert rig.show(task_id)["state"] == "RUNNING"


def test_a_killed_service_goes_on_where_it_was(make_service: Callable[..., Service]):
    service = make_service("--provider", "null")
    rig = Rig(service, service.token(project="killed"))
    source_id = rig.source(**small())
    task_id = rig.task(source_id, auto_start=True)
    first = rig.until(lambda: rig.transfer(task_id))
    before = receivers(task_id)
    service.kill()
    service.start()
    again = rig.until(lambda: (t := rig.transfer(task_id)) and t["port"] != first["port"] and t)
    assert again["disks"] == first["disks"]
    assert not set(before) & set(receivers(task_id))
    assert rig.command(source_id) == "START"
    rig.result(source_id, "START")
    rig.until_state(task_id, "MIGRATE_SUCCESS")


def test_a_process_takes_over_from_one_that_was_killed(make_service: Callable[..., Service]):
    service = make_service("--provider", "null", "--workers", "2")
    rig = Rig(service, service.token(project="two"))
    task_id = rig.task(rig.source(**small()), auto_start=True)
    first = rig.until(lambda: rig.transfer(task_id))
    [pid] = receivers(task_id)
    killed = parent(pid)
    os.kill(killed, signal.SIGKILL)

    def elsewhere() -> Any:
        try:
            transfer = rig.transfer(task_id)
        except OSError:  # asked of the process that was just killed
            return None
        return transfer and transfer["port"] != first["port"] and transfer

    again = rig.until(elsewhere)
    [other] = rig.until(lambda: [r for r in receivers(task_id) if r != pid])
    assert again["disks"] == first["disks"]
    assert parent(other) not in (0, killed)


def parent(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return 0
    return int(status.partition("PPid:")[2].split()[0])


def test_a_target_that_cannot_be_made_fails_the_task_and_says_why(rig: Rig):
    source_id = rig.source(**small())
    task_id = rig.task(source_id)
    (rig.service.data / "targets").mkdir(exist_ok=True)
    (rig.service.data / "targets" / task_id).write_text("in the way")
    rig.act(task_id, "start")
    task = rig.until_state(task_id, "MIGRATE_FAIL")
    assert "REHOST.7105" in task["error_json"]
    assert rig.shown(source_id)["state"] == "error"
    assert rig.command(source_id) == "STOP"
    (rig.service.data / "targets" / task_id).unlink()
    rig.result(source_id, "STOP")
    rig.act(task_id, "start")
    assert rig.until(lambda: rig.transfer(task_id))
    assert rig.show(task_id)["error_json"] == ""


def test_off_loopback_a_receiver_knows_its_own_agent(make_service: Callable[..., Service]):
    service = make_service("--provider", "null", "--public-url", "http://rehost.invalid:1")
    rig = Rig(service, service.token(project="outside"))
    mine, other = (rig.task(rig.source(**small()), auto_start=True) for _ in range(2))
    transfer = rig.until(lambda: rig.transfer(mine))
    assert (transfer["host"], transfer["tls"]) == ("rehost.invalid", True)
    assert is_awaited(rig, transfer["port"], mine, keys_of(rig, mine))
    assert not is_awaited(rig, transfer["port"], mine, keys_of(rig, other))


def test_a_certificate_is_refused_once_its_task_was_stopped(rig: Rig):
    source_id = rig.source(**small())
    task_id = rig.task(source_id)
    known: list[Any] = []
    for _ in range(3):
        rig.act(task_id, "start")
        # The runner need not have seen it at rest: its receiver may be the last run's.
        port = rig.until(lambda: rig.transfer(task_id))["port"]
        keys = keys_of(rig, task_id)
        assert is_awaited(rig, port, task_id, keys)
        assert not any(is_awaited(rig, port, task_id, old) for old in known)
        known.append(keys)
        rig.act(task_id, "stop")
        while rig.command(source_id) != "STOP":
            pass
        rig.result(source_id, "STOP")


def keys_of(rig: Rig, task_id: str) -> Any:
    return rig.call("GET", f"/v3/tasks/{task_id}/certkey")


def is_awaited(rig: Rig, port: int, task_id: str, keys: Any) -> bool:
    """Whether the receiver of a task goes on with who presents these certificates."""
    tls = ssl.create_default_context(cadata=keys["ca"])
    file = rig.service.data / "agent.pem"
    file.write_text(keys["cert"] + keys["private_key"])
    tls.load_cert_chain(file)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
        tls.wrap_socket(plain, server_hostname=receiver_name(task_id)) as connection,
    ):
        connection.settimeout(1)
        try:
            connection.recv(1)  # a refusal, or the end
        except TimeoutError:
            return True  # it waits for what is said first
        except OSError:
            return False
        return False


def template(rig: Rig, **fields: Any) -> str:
    body = {"template": {"name": "large", **fields}}
    return str(rig.call("POST", "/v3/vm/templates", body)["id"])


def test_template_makes_the_target_larger_and_it_is_shown_as_it_is(rig: Rig):
    disk = {"index": 0, "name": "system", "disktype": "SAS", "size": 3}
    source_id = rig.source(**small())
    large = template(rig, flavor="s6.xlarge.2", target_server_name="moved", disk=[disk])
    named = {"name": "", "vm_id": ""}
    task_id = rig.task(source_id, vm_template_id=large, target_server=named)
    target = rig.show(task_id)["target_server"]
    assert (target["name"], target["vm_id"]) == ("moved", "")
    [shown] = target["disks"]
    assert (shown["name"], shown["size"], shown["disk_id"]) == ("/dev/vda", 3 << 30, None)
    rig.act(task_id, "start")
    rig.until(lambda: rig.transfer(task_id))
    target = rig.show(task_id)["target_server"]
    [shown], [image] = target["disks"], images(rig.service, task_id)
    assert (target["id"], target["vm_id"]) == (task_id, task_id)
    assert (shown["size"], image.stat().st_size) == (3 << 30, 3 << 30)
    assert shown["disk_id"] == f"{task_id}/{image.name}"
    record = json.loads(image.with_name("server.json").read_text())["spec"]
    assert (record["name"], record["cpus"], record["memory"]) == ("moved", 4, 8 << 30)


def test_a_task_has_a_target_of_its_own_whatever_server_is_named(rig: Rig):
    volume = {"device_use": "OS", "file_system": "xfs", "mount_point": "/", "name": "/dev/vda1"}
    group = {"components": "/dev/vda", "name": "vg9", "size": 1 << 30, "free_size": 0}
    disk = {"name": "/dev/vda", "size": 2 << 30, "device_use": "OS"}
    target = {"name": "old", "vm_id": "ecs-1", "volume_groups": [group], "btrfs_list": []}
    target |= {"disks": [disk | {"physical_volumes": [volume | {"size": 1 << 30}]}]}
    source_id = rig.source(**small())
    task_id = rig.task(source_id, target_server=target, exist_server=True)
    assert rig.show(task_id)["target_server"]["vm_id"] == "ecs-1"
    assert rig.shown(source_id)["current_task"]["exist_server"] is True
    rig.act(task_id, "start")
    rig.until(lambda: rig.transfer(task_id))
    shown = rig.show(task_id)["target_server"]
    assert (shown["id"], shown["vm_id"]) == (task_id, task_id)
    [made] = shown["disks"]
    assert (made["size"], made["physical_volumes"], shown["volume_groups"]) == (2 << 30, [], [])
    [image] = images(rig.service, task_id)
    assert image.stat().st_size == 2 << 30


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"flavor": "huge"}, "flavor"),
        ({"nics": [{"id": "subnet-1", "name": "n"}]}, "nics[0].id"),
        ({"vpc": {"id": "vpc-1"}}, "vpc.id"),
    ],
)
def test_template_that_cannot_be_followed_is_refused_with_its_task(rig: Rig, wrong, named):
    source_id, bad = rig.source(**small()), template(rig, **wrong)
    body = new_task(source_id, vm_template_id=bad)
    status, code, message = rig.refused("POST", "/v3/tasks", body)
    assert (status, code) == (400, "REHOST.4000")
    assert "vm_template_id" in message
    assert named in message
    good = template(rig, flavor="1cpu-1gib")
    task_id = rig.task(source_id, vm_template_id=good)
    changed = rig.refused("PUT", f"/v3/tasks/{task_id}", {"vm_template_id": bad})
    assert changed[:2] == (400, "REHOST.4000")
    # Whoever changes it later is not asked about its tasks.
    rig.call("PUT", f"/v3/vm/templates/{good}", {"template": {"name": "t", **wrong}})
    assert rig.show(task_id)["target_server"]["disks"][0]["size"] == 1 << 30
    path = f"/v3/tasks/{task_id}/action"
    status, code, message = rig.refused("POST", path, {"operation": "start"})
    assert (status, code, named in message) == (400, "REHOST.7106", True)
    rig.call("DELETE", f"/v3/vm/templates/{good}")
    assert rig.refused("POST", path, {"operation": "start"})[0] == 404
    assert rig.show(task_id)["state"] == "READY"


def test_nothing_is_copied_before_the_target_is_ready(make_service: Callable[..., Service]):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        crowded = make_service("--provider", "null", "--receiver-ports", f"{port}-{port}")
        rig = Rig(crowded, crowded.token(project="crowded"))
        source_id = rig.source(**small())
        task_id = rig.task(source_id, auto_start=True, start_target_server=False)
        assert rig.command(source_id) == "START"
        told = {"command_name": "START", "result": "success", "result_detail": {}}
        early = rig.refused("POST", f"/v3/sources/{source_id}/command_result", told)
        assert early[:2] == (400, "SMS.2009")
        assert rig.show(task_id)["state"] == "RUNNING"
    rig.until(lambda: rig.transfer(task_id))
    rig.result(source_id, "START")
    rig.until_state(task_id, "MIGRATE_SUCCESS")
