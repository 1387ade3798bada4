"""The life of a task over HTTP: what is taken, what is refused and why, and what follows."""

import threading
import uuid
from typing import Any

import pytest

from tests.compat.bodies import linux, new_task, windows
from tests.compat.conftest import Service
from tests.compat.rig import Rig

TARGET = {"name": "web-1", "vm_id": ""}


@pytest.fixture
def rig(service: Service) -> Rig:
    return Rig(service, service.token(project=f"t-{uuid.uuid4().hex[:8]}"))


def test_a_new_task_is_ready_and_its_source_shows_it(rig: Rig):
    source_id = rig.source()
    task_id = rig.task(source_id)
    task = rig.show(task_id)
    assert (task["state"], task["name"], task["type"]) == ("READY", "move-web-1", "MIGRATE_BLOCK")
    assert task["sub_tasks"][0]["name"] == "CREATE_CLOUD_SERVER"
    assert [p["progress"] for p in task["sub_tasks"]] == [0] * 8
    shown = rig.shown(source_id)
    assert shown["current_task"]["id"] == task_id
    assert shown["current_task"]["state"] == "READY"
    assert (shown["state"], shown["migration_cycle"]) == ("waiting", "setting")
    [listed] = rig.call("GET", f"/v3/tasks?source_server_id={source_id}")["tasks"]
    assert listed["id"] == task_id


def test_start_reaches_the_agent_once_and_stop_takes_it_back(rig: Rig):
    source_id = rig.source()
    task_id = rig.task(source_id, auto_start=True)
    assert rig.show(task_id)["state"] == "RUNNING"
    assert rig.shown(source_id)["state"] == "initialize"
    assert rig.command(source_id) == "START"
    assert rig.command(source_id) == "TASK_NOT_STARTED"
    rig.act(task_id, "stop")
    assert rig.shown(source_id)["current_task"]["state"] == "ABORTING"
    told = {"command_name": "START", "result": "success", "result_detail": {}}
    late = rig.refused("POST", f"/v3/sources/{source_id}/command_result", told)
    assert late[:2] == (400, "SMS.2009")
    assert rig.command(source_id) == "STOP"
    rig.result(source_id, "STOP")
    assert rig.show(task_id)["state"] == "ABORT"
    assert rig.shown(source_id)["state"] == "stopped"
    rig.call("DELETE", f"/v3/tasks/{task_id}")
    shown = rig.shown(source_id)
    assert shown["current_task"] is None
    assert (shown["state"], shown["migration_cycle"]) == ("waiting", "setting")


def test_stop_is_of_the_last_start_though_an_earlier_one_is_not_answered(rig: Rig):
    source_id = rig.source()
    task_id = rig.task(source_id)
    in_the_way = rig.service.data / "targets" / task_id
    in_the_way.parent.mkdir(exist_ok=True)
    in_the_way.touch()
    rig.act(task_id, "start")
    rig.until_state(task_id, "MIGRATE_FAIL")
    assert rig.command(source_id) == "STOP"
    in_the_way.unlink()
    rig.act(task_id, "start")
    assert rig.command(source_id) == "START"
    rig.act(task_id, "stop")
    told = {"command_name": "STOP", "result": "success", "result_detail": {}}
    late = rig.refused("POST", f"/v3/sources/{source_id}/command_result", told)
    assert late[:2] == (400, "SMS.2009")
    assert rig.command(source_id) == "STOP"
    rig.result(source_id, "STOP")
    assert rig.show(task_id)["state"] == "ABORT"


def test_a_source_has_one_task_at_a_time(rig: Rig):
    source_id = rig.source()
    codes = []

    def create() -> None:
        status, _, answer = rig.service.call(
            "POST", "/v3/tasks", new_task(source_id), X_Auth_Token=rig.token
        )
        codes.append((status, answer.get("error_code")))

    threads = [threading.Thread(target=create) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes, key=str) == [(200, None)] + [(409, "REHOST.4097")] * 5
    assert rig.call("GET", "/v3/tasks")["count"] == 1


def test_callers_that_race_start_it_once(rig: Rig):
    source_id = rig.source()
    task_id = rig.task(source_id)
    path, told = f"/v3/tasks/{task_id}/action", {"operation": "start"}
    statuses = []
    threads = [
        threading.Thread(
            target=lambda: statuses.append(
                rig.service.call("POST", path, told, X_Auth_Token=rig.token)[0]
            )
        )
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [409] * 5
    assert [rig.command(source_id), rig.command(source_id)] == ["START", "TASK_NOT_STARTED"]


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 21}, "name"),
        ({"name": "a b"}, "name"),
        ({"type": "MIGRATE"}, "type"),
        ({"type": 1}, "type"),
        ({"priority": 3}, "priority"),
        ({"speed_limit": 10001}, "speed_limit"),
        ({"speed_limit": "1"}, "speed_limit"),
        ({"os_type": "WINDOWS"}, "os_type"),
        ({"auto_start": "yes"}, "auto_start"),
        ({"source_server": {}}, "source_server"),
        ({"target_server": {"name": "x", "vm_id": 1}}, "vm_id"),
        ({"vm_template_id": "nobody"}, "vm_template_id"),
        ({"region_id": None}, "region_id"),
        (
            {"target_server": TARGET | {"disks": [{"name": "/dev/vdz"}]}},
            "target_server.disks[0].name",
        ),
        (
            {
                "target_server": {
                    "name": "",
                    "vm_id": "",
                    "disks": [{"name": "/dev/vda", "size": 1}],
                }
            },
            "target_server.disks[0].size",
        ),
    ],
    ids=str,
)
def test_wrong_bodies_are_told_by_field(rig: Rig, changes: dict[str, Any], names: str):
    status, code, message = rig.refused("POST", "/v3/tasks", new_task(rig.source(), **changes))
    assert (status, code) == (400, "REHOST.4000")
    assert names in message


@pytest.mark.parametrize("field", ["name", "type", "source_server", "target_server", "region_name"])
def test_missing_fields_are_named(rig: Rig, field: str):
    sent = new_task(rig.source())
    del sent[field]
    status, _, message = rig.refused("POST", "/v3/tasks", sent)
    assert (status, field in message) == (400, True)


def test_of_no_source(rig: Rig):
    assert rig.refused("POST", "/v3/tasks", new_task("nobody"))[:2] == (400, "SMS.2216")


@pytest.mark.parametrize(
    ("source", "status", "code"),
    [
        (linux(paravirtualization=True), 409, "REHOST.4098"),
        (windows() | {"os_version": "WINDOWS2003_32BIT"}, 400, "SMS.2206"),
    ],
    ids=["paravirtual", "old"],
)
def test_an_unfit_source_is_not_started(rig: Rig, source: Any, status: int, code: str):
    source_id = rig.call("POST", "/v3/sources", source)["id"]
    started = rig.refused("POST", "/v3/tasks", new_task(source_id, auto_start=True))
    assert started[:2] == (status, code)
    assert rig.call("GET", "/v3/tasks")["count"] == 0
    task_id = rig.task(source_id)
    refused = rig.refused("POST", f"/v3/tasks/{task_id}/action", {"operation": "start"})
    assert refused[:2] == (status, code)
    assert rig.shown(source_id)["state"] == "unavailable"


def test_files_cannot_be_migrated_by_themselves(rig: Rig):
    task_id = rig.task(rig.source(), type="MIGRATE_FILE")
    refused = rig.refused("POST", f"/v3/tasks/{task_id}/action", {"operation": "start"})
    assert refused[:2] == (409, "REHOST.4100")
    windows_id = rig.call("POST", "/v3/sources", windows())["id"]
    status, _, message = rig.refused("POST", "/v3/tasks", new_task(windows_id, type="MIGRATE_FILE"))
    assert (status, "type" in message) == (400, True)


def test_defaults_are_the_migration_project_s(rig: Rig):
    wave = {"name": "wave", "region": "local", "type": "MIGRATE_BLOCK", "speed_limit": 70,
            "start_target_server": False, "syncing": True, "use_public_ip": False}  # fmt: skip
    wave_id = rig.call("POST", "/v3/migprojects", wave)["id"]
    source_id = rig.source()
    rig.call("PUT", f"/v3/sources/{source_id}", {"migprojectid": wave_id})
    task = rig.show(rig.task(source_id))
    assert (task["speed_limit"], task["start_target_server"]) == (70, False)
    [listed] = rig.call("GET", f"/v3/tasks?id={task['id']}")["tasks"]
    assert listed["syncing"] is True
    rig.call("DELETE", f"/v3/tasks/{task['id']}")
    task = rig.show(rig.task(source_id, speed_limit=0, start_target_server=True))
    assert (task["speed_limit"], task["start_target_server"]) == (0, True)


def test_a_running_task_is_not_deleted_nor_its_source(rig: Rig):
    source_id = rig.source()
    task_id = rig.task(source_id, auto_start=True)
    assert rig.refused("DELETE", f"/v3/tasks/{task_id}")[:2] == (400, "SMS.2015")
    assert rig.refused("DELETE", f"/v3/sources/{source_id}")[:2] == (409, "REHOST.4090")
    other = rig.task(rig.source())
    both = {"ids": [other, task_id]}
    assert rig.refused("POST", "/v3/tasks/delete", both)[:2] == (400, "SMS.2015")
    assert rig.show(other)["state"] == "READY"


def test_a_source_goes_with_its_tasks(rig: Rig):
    source_id = rig.source()
    task_id = rig.task(source_id)
    rig.call("DELETE", f"/v3/sources/{source_id}")
    assert rig.refused("GET", f"/v3/tasks/{task_id}")[:2] == (404, "SMS.2252")


def test_tasks_of_others_are_not_there(rig: Rig, service: Service):
    task_id = rig.task(rig.source())
    stranger = service.token(project=f"other-{uuid.uuid4().hex[:8]}")
    for method, path, sent in (
        ("GET", f"/v3/tasks/{task_id}", None),
        ("PUT", f"/v3/tasks/{task_id}", {"name": "mine"}),
        ("DELETE", f"/v3/tasks/{task_id}", None),
        ("POST", f"/v3/tasks/{task_id}/action", {"operation": "start"}),
    ):
        assert rig.refused(method, path, sent, stranger)[:2] == (404, "SMS.2252")
    assert rig.call("GET", "/v3/tasks", token=stranger) == {"count": 0, "tasks": []}


def test_an_agent_reaches_its_own_task_alone(rig: Rig):
    mine, token = rig.agent()
    others, _ = rig.agent()
    task_id, other_id = rig.task(mine), rig.task(others)
    assert rig.call("GET", f"/v3/tasks/{task_id}", token=token)["id"] == task_id
    rig.call("PUT", f"/v3/tasks/{task_id}", {"target_server": {"ip": "192.0.2.7"}}, token)
    assert rig.show(task_id)["target_server"]["ip"] == "192.0.2.7"
    assert rig.refused("GET", f"/v3/tasks/{other_id}", token=token)[:2] == (403, "SMS.2248")
    assert rig.refused("PUT", f"/v3/tasks/{other_id}", {}, token)[:2] == (403, "SMS.2248")
    started = rig.refused("POST", f"/v3/tasks/{task_id}/action", {"operation": "start"}, token)
    assert started[:2] == (403, "SMS.9004")


def test_what_is_changed_is_shown(rig: Rig):
    source_id = rig.source()
    task_id = rig.task(source_id)
    rig.call("PUT", f"/v3/tasks/{task_id}", {"name": "新-1", "speed_limit": 50})
    task = rig.show(task_id)
    assert (task["name"], task["speed_limit"]) == ("新-1", 50)
    assert rig.shown(source_id)["current_task"]["speed_limit"] == 50
    rig.act(task_id, "start")
    refused = rig.refused("PUT", f"/v3/tasks/{task_id}", {"type": "MIGRATE_FILE"})
    assert refused[:2] == (409, "REHOST.4095")


@pytest.mark.parametrize("priority", [0, 1, 2])
def test_the_agent_is_told_how_far_to_stand_back(rig: Rig, priority: int):
    source_id, token = rig.agent()
    task_id = rig.task(source_id, auto_start=True, priority=priority)
    assert rig.show(task_id)["priority"] == priority
    assert rig.until(lambda: rig.transfer(task_id, token))["priority"] == priority


@pytest.mark.parametrize(
    ("made", "wished", "told"),
    [(False, None, False), (True, None, True), (False, True, True), (True, False, False)],
)
def test_the_last_command_says_whether_to_compare_again(
    rig: Rig, made: bool, wished: bool | None, told: bool
):
    source_id, token = rig.agent()
    wanted = {"auto_start": True, "syncing": True, "is_need_consistency_check": made}
    task_id = rig.task(source_id, **wanted)
    rig.until(lambda: rig.transfer(task_id))
    assert "verify" not in rig.call("GET", f"/v3/sources/{source_id}/command")["command_param"]
    rig.progress(task_id, 100, token)
    wish = {"operation": "cutover", "is_need_consistency_check": wished}
    rig.call("POST", f"/v3/tasks/{task_id}/action", wish)
    command = rig.call("GET", f"/v3/sources/{source_id}/command")
    assert command["command_name"] == "SYNC"
    assert command["command_param"].get("verify", False) is told


def test_a_comparison_is_skipped_by_a_command_that_takes_nothing_back(rig: Rig):
    source_id = rig.source()
    task_id = rig.task(source_id, auto_start=True)
    for _ in range(3):
        rig.act(task_id, "skip")
    assert rig.show(task_id)["state"] == "RUNNING"
    told = [rig.call("GET", f"/v3/sources/{source_id}/command") for _ in range(3)]
    names = [command["command_name"] for command in told]
    assert names == ["START", "SKIP", "TASK_NOT_STARTED"]
    assert told[1]["command_param"]["task_id"] == task_id
    # An agent that does not know it fails nothing but that.
    rig.result(source_id, "SKIP", "fail", error_code="unknown_command", error_msg="what?")
    assert rig.show(task_id)["state"] == "RUNNING"
    rig.act(task_id, "skip")
    assert rig.command(source_id) == "SKIP"
    rig.result(source_id, "SKIP")
    assert rig.show(task_id)["state"] == "RUNNING"
    rig.act(task_id, "skip")
    rig.act(task_id, "stop")
    assert [rig.command(source_id) for _ in range(2)] == ["STOP", "TASK_NOT_STARTED"]


def test_type_of_a_task_that_was_started_stays(rig: Rig):
    source_id = rig.source()
    task_id = rig.task(source_id)
    for kind in ("MIGRATE_FILE", "MIGRATE_BLOCK"):
        rig.call("PUT", f"/v3/tasks/{task_id}", {"type": kind})
        assert rig.show(task_id)["type"] == kind
    for operation in ("start", "stop"):
        rig.act(task_id, operation)
    assert rig.command(source_id) == "STOP"
    rig.result(source_id, "STOP")
    rig.call("PUT", f"/v3/tasks/{task_id}", {"type": "MIGRATE_BLOCK"})
    refused = rig.refused("PUT", f"/v3/tasks/{task_id}", {"type": "MIGRATE_FILE"})
    assert refused[:2] == (409, "REHOST.4112")


@pytest.mark.parametrize("operation", ["stop", "restart", "sync", "test", "cutover", "skip"])
def test_what_a_ready_task_cannot_do(rig: Rig, operation: str):
    task_id = rig.task(rig.source())
    told = {"operation": operation}
    status, code, message = rig.refused("POST", f"/v3/tasks/{task_id}/action", told)
    assert (status, code) == (409, "REHOST.4095")
    assert "it can start" in message


def test_a_drill_that_is_needed_is_due_once_the_target_is_in_step(rig: Rig):
    source_id = rig.source()
    task_id = rig.task(source_id, syncing=True, need_migration_test=True)
    rig.act(task_id, "start")
    assert rig.shown(source_id)["state"] == "initialize"
    rig.progress(task_id, 1, subtask_name="SYNC_LINUX_BLOCK")
    assert rig.shown(source_id)["state"] == "premigready"
    rig.act(task_id, "migration_test")
    assert rig.shown(source_id)["state"] == "premiging"
    overview = rig.call("GET", "/v3/sources/overview")
    assert (overview["cloning"], overview["syncing"]) == (1, 0)
    rig.act(task_id, "clear")
    rig.until(lambda: rig.shown(source_id)["state"] == "premigready")
    overview = rig.call("GET", "/v3/sources/overview")
    assert (overview["cloning"], overview["syncing"]) == (0, 1)


def test_an_operation_can_bring_its_template(rig: Rig):
    made = [
        rig.call("POST", "/v3/vm/templates", {"template": {"name": "t", "flavor": flavor}})["id"]
        for flavor in ("3cpu-5gib", "2cpu-4gib")
    ]
    source_id = rig.source()
    task_id = rig.task(source_id, syncing=True, clonevm_template_id=made[0])
    path = f"/v3/tasks/{task_id}/action"
    for operation, template_id in (("collect_log", made[0]), ("start", "none")):
        told = {"operation": operation, "template_id": template_id}
        status, _, message = rig.refused("POST", path, told)
        assert (status, "template_id" in message) == (400, True)
    rig.call("POST", path, {"operation": "start", "template_id": made[1]})
    assert rig.show(task_id)["vm_template_id"] == made[1]
    rig.progress(task_id, 1, subtask_name="SYNC_LINUX_BLOCK")
    for template_id, size in (("", (3, 5 << 30)), (made[1], (2, 4 << 30))):
        rig.call("POST", path, {"operation": "test", "template_id": template_id})
        launches = rig.call("GET", f"/v3/rehost/tasks/{task_id}/launches")["launches"]
        assert (launches[0]["cpus"], launches[0]["memory"]) == size
        rig.act(task_id, "clear")
    rig.call("DELETE", f"/v3/vm/templates/{made[0]}")
    assert rig.refused("POST", path, {"operation": "test"})[0] == 404


def test_a_system_is_not_replaced_by_another_distribution(rig: Rig):
    source_id = rig.source()
    task_id = rig.task(source_id)
    path = f"/v3/tasks/{task_id}/action"
    refused = rig.refused("POST", path, {"operation": "start", "switch_hce": True})
    assert (refused[0], "switch_hce" in refused[2]) == (400, True)
    assert rig.command(source_id) == "TASK_NOT_STARTED"
    rig.call("POST", path, {"operation": "start", "switch_hce": False})
    assert rig.command(source_id) == "START"


def test_places_of_a_task_are_kept_and_it_belongs_to_its_source_s_project(rig: Rig):
    places = {"region_id": "r-9", "region_name": "far", "project_id": "p-9", "project_name": "deep"}
    task_id = rig.task(rig.source(), **places)
    task = rig.show(task_id)
    assert {name: task[name] for name in places} == places
    assert rig.call("GET", "/v3/tasks")["count"] == 1


def test_what_is_told_of_a_target_is_shown_and_its_disks_are_not_read(rig: Rig):
    task_id = rig.task(rig.source())
    before = rig.show(task_id)["target_server"]
    told = {"name": "web-2", "vm_id": "ecs-1", "ip": "192.0.2.7", "image_disk_id": "image-1",
            "cutovered_snapshot_ids": "s-1", "hostname": "other", "flavor": "s6.large.2",
            "disks": [{"name": "/dev/vda", "size": 900 << 30}]}  # fmt: skip
    rig.call("PUT", f"/v3/tasks/{task_id}", {"target_server": told, "target_disk_ids": "d-1"})
    kept = ("name", "vm_id", "ip", "image_disk_id", "cutovered_snapshot_ids")
    after = rig.show(task_id)["target_server"]
    assert after == before | {"id": "ecs-1"} | {name: told[name] for name in kept}


def test_a_migration_project_says_nothing_of_a_task_s_type_and_place(rig: Rig):
    wave = {"name": "wave", "region": "far", "type": "MIGRATE_FILE", "enterprise_project": "ep-9"}
    wave_id = rig.call("POST", "/v3/migprojects", wave)["id"]
    assert rig.call("GET", f"/v3/migprojects/{wave_id}").items() >= wave.items()
    source_id = rig.source()
    rig.call("PUT", f"/v3/sources/{source_id}", {"migprojectid": wave_id})
    task = rig.show(rig.task(source_id))
    assert (task["type"], task["region_id"]) == ("MIGRATE_BLOCK", "local")
    assert task["enterprise_project_id"] == rig.shown(source_id)["enterprise_project_id"] != "ep-9"
    assert rig.call("GET", "/v3/tasks?state=READY")["count"] == 1


def test_unknown_operation(rig: Rig):
    task_id = rig.task(rig.source())
    refused = rig.refused("POST", f"/v3/tasks/{task_id}/action", {"operation": "explode"})
    assert (refused[0], "operation" in refused[2]) == (400, True)


def test_lists_are_counted_and_filtered(rig: Rig):
    ids = [rig.task(rig.source(), name=f"n-{n}") for n in range(3)]
    rig.act(ids[0], "start")
    assert rig.call("GET", "/v3/tasks")["count"] == 3
    running = rig.call("GET", "/v3/tasks?state=RUNNING")
    assert (running["count"], [t["id"] for t in running["tasks"]]) == (1, [ids[0]])
    page = rig.call("GET", "/v3/tasks?limit=1&offset=1")
    assert (page["count"], [t["id"] for t in page["tasks"]]) == (3, [ids[1]])
    assert rig.call("GET", "/v3/tasks?name=-2")["count"] == 1
    assert rig.call("GET", "/v3/tasks?state=SYNC_F_ROLLBACKING")["count"] == 0
    rig.call("POST", "/v3/tasks/delete", {"ids": ids[1:]})
    assert rig.call("GET", "/v3/tasks")["count"] == 1


def test_disks_chosen_once_the_target_is_made_are_of_the_next(rig: Rig):
    data = linux()["disks"][0] | {"name": "/dev/vdb", "device_use": "NORMAL", "os_disk": False,
                                  "physical_volumes": []}  # fmt: skip
    source_id = rig.source(disks=[*linux()["disks"], data])
    task_id = rig.task(source_id, auto_start=True)
    rig.until(lambda: rig.show(task_id)["target_server"]["vm_id"])
    without = {"disks": [{"id": "/dev/vda", "need_migration": False}]}
    rig.call("PUT", f"/v3/sources/{source_id}", without)
    [next_one] = rig.shown(source_id)["init_target_server"]["disks"]
    assert next_one["name"] == "/dev/vdb"
    shown = [disk["name"] for disk in rig.show(task_id)["target_server"]["disks"]]
    assert shown == ["/dev/vda", "/dev/vdb"]
