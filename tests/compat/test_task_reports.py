"""What agents tell of their tasks and operators set for them, over HTTP."""

import csv
import io
import json
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from rehost.agent.configuration import wishes
from rehost.control.store.schema import consistency_results
from rehost.control.task_record import ConfigKey
from tests.compat.bodies import linux
from tests.compat.conftest import Service
from tests.compat.rig import Rig

DOCS = Path(__file__).parents[2] / "docs"
CHECK = {"network_delay": 1, "network_jitter": 0.5, "migration_speed": 900, "loss_percentage": 0,
         "cpu_usage": 3, "mem_usage": 40, "evaluation_result": "good"}  # fmt: skip
RESULT = {"dir_check": "/srv", "num_total_files": 9, "num_different_files": 1,
          "num_target_miss_files": 2, "num_target_more_files": 0}  # fmt: skip


@pytest.fixture
def rig(service: Service) -> Rig:
    return Rig(service, service.token(project=f"a-{uuid.uuid4().hex[:8]}"))


@pytest.fixture
def task_id(rig: Rig) -> str:
    return rig.task(rig.source())


def running(rig: Rig, **changes: Any) -> tuple[str, str, str]:
    """A running task, its source, and the token of its agent."""
    source_id, token = rig.agent()
    return rig.task(source_id, auto_start=True, **changes), source_id, token


def test_progress_shows_at_once_in_task_and_source(rig: Rig):
    task_id, source_id, token = running(rig)
    rig.progress(task_id, 50, token, replicatesize=10, totalsize=20, migrate_speed=12.5,
                 compress_rate=2.5, remain_time=30, total_mem_usage=512)  # fmt: skip
    task, source = rig.show(task_id), rig.shown(source_id)
    assert (task["migrate_speed"], task["remain_seconds"]) == (12.5, 30)
    assert task["total_mem_usage"] == 512
    assert task["estimate_complete_time"] > task["create_date"]
    current = source["current_task"]
    assert (current["migrate_speed"], current["compress_rate"]) == (12.5, 2.5)
    whole = json.loads(current["subtask_info"])
    assert {"name": "MIGRATE_LINUX_BLOCK", "progress": 50} in whole["sub_tasks"]
    assert 43 <= whole["progress"] <= 51
    assert (source["replicatesize"], source["totalsize"]) == (10, 20)
    assert (source["state"], source["migration_cycle"]) == ("replicate", "replicating")


def test_the_end_of_what_takes_for_ever_is_a_number_that_clients_can_read(rig: Rig):
    task_id, source_id, token = running(rig)
    longest = 2**63 - 1
    rig.progress(task_id, 1, token, remain_time=longest)
    assert rig.show(task_id)["estimate_complete_time"] == longest
    assert rig.shown(source_id)["current_task"]["estimate_complete_time"] == longest


def test_progress_of_a_task_at_rest_changes_nothing(rig: Rig, task_id: str):
    before = rig.show(task_id)
    rig.progress(task_id, 50)
    assert rig.show(task_id) == before


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"subtask_name": "CREATE_CLOUD_SERVER"}, "subtask_name"),
        ({"subtask_name": "MIGRATE_WINDOWS_BLOCK"}, "subtask_name"),
        ({"progress": 101}, "progress"),
        ({"progress": -1}, "progress"),
        ({"progress": "50"}, "progress"),
        ({"replicatesize": -1}, "replicatesize"),
        ({"agent_cpu_usage": 100.5}, "agent_cpu_usage"),
        ({"process_trace": None}, "process_trace"),
    ],
    ids=str,
)
def test_wrong_progress_is_told_by_field(rig: Rig, task_id: str, changes: Any, name: str):
    said = {"subtask_name": "MIGRATE_LINUX_BLOCK", "progress": 1, "replicatesize": 1,
            "totalsize": 2, "process_trace": ""}  # fmt: skip
    status, _, message = rig.refused("PUT", f"/v3/tasks/{task_id}/progress", said | changes)
    assert (status, name in message) == (400, True)


def test_a_task_that_is_too_fast_is_stopped(rig: Rig):
    task_id, source_id, token = running(rig, speed_limit=100, over_speed_threshold=50)
    rig.progress(task_id, 5, token, migrate_speed=150)
    assert rig.show(task_id)["state"] == "RUNNING"
    rig.progress(task_id, 6, token, migrate_speed=151)
    task = rig.show(task_id)
    assert task["state"] == "ABORTING"
    assert "REHOST.4104" in task["error_json"]
    assert (
        rig.call("GET", f"/v3/sources/{source_id}/command", token=token)["command_name"] == "STOP"
    )


def test_the_limit_is_that_of_the_agent_s_time(rig: Rig):
    task_id, _, token = running(rig, over_speed_threshold=10)
    rows = [{"start": "22:00", "end": "06:00", "speed": 100}]
    rig.call("POST", f"/v3/tasks/{task_id}/speed-limit", {"speed_limit": rows})
    rig.progress(task_id, 5, token, migrate_speed=900, agent_time="2026-01-01 12:00:00")
    assert rig.show(task_id)["state"] == "RUNNING"
    rig.progress(task_id, 5, token, migrate_speed=900, agent_time="2026-01-01 23:30:00")
    assert rig.show(task_id)["state"] == "ABORTING"


def test_speed_limits_cover_the_day(rig: Rig):
    task_id = rig.task(rig.source(), speed_limit=70)
    path = f"/v3/tasks/{task_id}/speed-limit"
    rows = [{"start": "08:00", "end": "18:00", "speed": 20}]
    rig.call("POST", path, {"speed_limit": rows})
    shown = [(r["start"], r["end"], r["speed"]) for r in rig.call("GET", path)["speed_limit"]]
    assert sorted(shown) == [("00:00", "08:00", 70), ("08:00", "18:00", 20), ("18:00", "24:00", 70)]
    rig.call("POST", path, {"speed_limit": []})
    [row] = rig.call("GET", path)["speed_limit"]
    assert (row["start"], row["end"], row["speed"]) == ("00:00", "24:00", 70)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"start": "8", "end": "09:00"}, "speed_limit[0].start"),
        ({"start": "08:00", "end": "24:01"}, "speed_limit[0].end"),
        ({"start": "08:00", "end": "09:00", "speed": 1001}, "speed"),
        ({"start": "08:00"}, "end"),
        ({"start": "00:30", "end": "01:30"}, "overlap"),
    ],
    ids=str,
)
def test_wrong_speed_limits_are_told(rig: Rig, task_id: str, row: Any, words: str):
    rows = {"speed_limit": [row, {"start": "01:00", "end": "02:00", "speed": 1}]}
    status, _, message = rig.refused("POST", f"/v3/tasks/{task_id}/speed-limit", rows)
    assert (status, words in message.replace("...", "0")) == (400, True), message


def test_configurations_are_merged_by_key(rig: Rig, task_id: str):
    path = f"/v3/tasks/{task_id}/configuration-setting"
    cpu = {"config_key": "LINUX_CPU_LIMIT", "config_value": "50"}
    rig.call("POST", path, {"configurations": [cpu]})
    rig.call("POST", path, {"configurations": [{"config_key": "SYNC_EXCLUDE_DIR",
                                                "config_value": "/tmp"}]})  # fmt: skip
    rig.call("POST", path, {"configurations": [cpu | {"config_value": "60"}]})
    shown = rig.call("GET", path)["configurations"]
    assert [(c["config_key"], c["config_value"]) for c in shown] == [
        ("LINUX_CPU_LIMIT", "60"),
        ("SYNC_EXCLUDE_DIR", "/tmp"),
    ]
    for wrong in (
        cpu | {"config_value": "half"},
        {"config_key": "NOBODY", "config_value": "1"},
        {"config_key": "ON_READ_ERROR", "config_value": "guess"},
        {"config_key": "BOOT_PROBE", "config_value": "80"},
        {"config_key": "TARGET_HOSTNAME", "config_value": "no_name"},
        {"config_key": "TARGET_HOSTNAME", "config_value": "a." * 32 + "b"},
    ):
        status, _, message = rig.refused("POST", path, {"configurations": [wrong]})
        assert (status, "config" in message) == (400, True)
    for given in ("web.example.org", ""):
        name = {"config_key": "TARGET_HOSTNAME", "config_value": given}
        rig.call("POST", path, {"configurations": [name]})
    [listed] = rig.call("GET", f"/v3/tasks?id={task_id}")["tasks"]
    assert len(listed["special_config"]) == 3


NOT_FOLLOWED = (
    "MIGRATE_EXCLUDE_DIR",
    "SYNC_EXCLUDE_DIR",
    "ONLY_SYNC_DIR",
    "CONSISTENCY_DIR",
    "CONSISTENCY_DIR_ILLEGAL",
    "CONSISTENCY_MODE",
    "CONSISTENCY_RECHECK",
    "DYNAMIC_PORT",
    "INSTALL_PWD_AGENT",
)


@pytest.mark.parametrize("status", ["set by hand", None])
def test_configurations_that_are_not_followed_are_kept_as_they_are(rig: Rig, task_id: str, status):
    path = f"/v3/tasks/{task_id}/configuration-setting"
    rows = [{"config_key": key, "config_value": "1"} for key in NOT_FOLLOWED]
    given = [row | ({"config_status": status} if status else {}) for row in rows]
    rig.call("POST", path, {"configurations": given})
    shown = rig.call("GET", path)["configurations"]
    assert shown == [row | {"config_status": status} for row in rows]
    wanted = {row["config_key"]: row["config_value"] for row in shown}
    assert wishes(wanted, sync=False) == wishes({}, sync=False)


def test_every_configuration_is_in_the_documents():
    text = "".join((DOCS / name).read_text() for name in ("agent.md", "tasks.md"))
    assert [key for key in ConfigKey if f"`{key}`" not in text] == []
    reasons = text.partition("| key | why not |")[2].partition("\n\n")[0]
    assert {key for key in ConfigKey if f"`{key}`" in reasons} == set(NOT_FOLLOWED)


def test_an_agent_gets_its_own_certificate_and_nobody_else_s(rig: Rig):
    task_id, _, token = running(rig)
    keys = rig.call("GET", f"/v3/tasks/{task_id}/certkey", token=token)
    assert keys["private_key"].startswith("-----BEGIN")
    assert keys["ca"].startswith("-----BEGIN")
    assert [v for n, v in keys.items() if n.startswith("target")] == [""] * 4
    bare = rig.call("GET", f"/v3/tasks/{task_id}/certkey?enable_ca_cert=false", token=token)
    assert bare["ca"] == ""
    assert bare["private_key"] != keys["private_key"]
    _, other = rig.agent()
    for path in ("certkey", "passphrase", "speed-limit", "configuration-setting"):
        refused = rig.refused("GET", f"/v3/tasks/{task_id}/{path}", token=other)
        assert refused[:2] == (403, "SMS.2248")
    refused = rig.refused("GET", f"/v3/rehost/tasks/{task_id}/transfer", token=other)
    assert refused[:2] == (403, "SMS.2248")


def test_the_passphrase_is_stored_encrypted(rig: Rig, task_id: str):
    path = f"/v3/tasks/{task_id}/passphrase"
    secret = rig.call("GET", path)["passphrase"]
    assert rig.call("GET", path)["passphrase"] == secret
    assert secret != rig.call("GET", f"/v3/tasks/{rig.task(rig.source())}/passphrase")["passphrase"]
    for file in rig.service.data.rglob("*"):
        if file.is_file() and file.suffix != ".img":
            assert secret.encode() not in file.read_bytes(), file
    reader = rig.service.token("reader", project="default")
    assert rig.refused("GET", path, token=reader)[:2] == (403, "SMS.9004")


def upload(rig: Rig, task_id: str, content: bytes, token: str, media: str) -> int:
    path = f"/v3/rehost/tasks/{task_id}/log"
    return rig.service.call("PUT", path, content, X_Auth_Token=token, Content_Type=media)[0]


def test_a_log_is_uploaded_by_its_agent_and_downloaded_by_an_operator(rig: Rig):
    source_id, token = rig.agent()
    task_id = rig.task(source_id)
    path = f"/v3/rehost/tasks/{task_id}/log"
    assert rig.refused("GET", path)[:2] == (404, "REHOST.4044")
    rig.act(task_id, "collect_log")
    assert rig.shown(source_id)["current_task"]["log_collect_status"] == "UPLOADING"
    assert rig.command(source_id) == "UPLOAD_LOG"
    assert upload(rig, task_id, b"lines\x00", token, "application/octet-stream") == 200
    rig.result(source_id, "UPLOAD_LOG")
    current = rig.shown(source_id)["current_task"]
    assert current["log_collect_status"] == "UPLOADED"
    assert current["log_share_url"] == path
    request = urllib.request.Request(
        rig.service.url + path, headers={"X-Auth-Token": rig.token}, method="GET"
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.read() == b"lines\x00"
        assert answer.headers["Content-Type"] == "application/octet-stream"
    assert rig.refused("GET", path, token=token)[:2] == (403, "SMS.9004")
    assert upload(rig, task_id, b"", token, "application/octet-stream") == 400
    assert upload(rig, task_id, b"x", token, "text/plain") == 415
    assert upload(rig, task_id, bytes(9 << 20), token, "application/octet-stream") == 413
    _, other = rig.agent()
    assert upload(rig, task_id, b"x", other, "application/octet-stream") == 403


def test_a_log_that_cannot_be_had_is_told(rig: Rig):
    source_id = rig.source()
    task_id = rig.task(source_id)
    rig.act(task_id, "collect_log")
    rig.act(task_id, "collect_log")
    assert [rig.command(source_id), rig.command(source_id)] == ["UPLOAD_LOG", "TASK_NOT_STARTED"]
    rig.result(source_id, "UPLOAD_LOG", "fail", error_code="X.1", error_msg="no space")
    assert rig.shown(source_id)["current_task"]["log_collect_status"] == "UPLOAD_FAIL"


def test_each_log_that_is_asked_for_is_collected(rig: Rig):
    source_id = rig.source()
    task_id = rig.task(source_id)
    path = f"/v3/sources/{source_id}/command"
    told = []
    for bucket in ("one", "one", "two"):
        rig.call("POST", f"/v3/tasks/{task_id}/log", {"log_bucket": bucket})
        told.append(rig.call("GET", path)["command_param"].get("bucket"))
    assert told == ["one", None, "two"]
    rig.call("DELETE", f"/v3/tasks/{task_id}")
    late = {"command_name": "UPLOAD_LOG", "result": "success", "result_detail": {}}
    assert rig.refused("POST", f"{path}_result", late)[:2] == (400, "SMS.2009")


def test_a_network_check_is_made_anew_when_asked_for(rig: Rig, task_id: str):
    path = f"/v3/{task_id}/update-network-check-info"
    assert rig.call("POST", path, CHECK) == {"task_id": task_id}
    assert rig.show(task_id)["network_check_info"]["network_jitter"] == 0.5
    rig.act(task_id, "network_check")
    assert rig.show(task_id)["network_check_info"] is None
    status, _, message = rig.refused("POST", path, CHECK | {"loss_percentage": 101})
    assert (status, "loss_percentage" in message) == (400, True)


def test_consistency_results_are_shown_and_exported(rig: Rig):
    source_id = rig.source(name="=cmd()")
    task_id = rig.task(source_id)
    path = f"/v3/tasks/{task_id}/consistency-result"
    assert rig.call("GET", path)["result_list"] == []
    for different in (1, 0):
        rows = [RESULT | {"num_different_files": different}]
        rig.call("POST", path, {"consistency_result": rows})
    [shown] = rig.call("GET", path)["result_list"]
    assert json.loads(shown) == RESULT | {"num_different_files": 0}
    for named in ({"task_id": task_id}, {"source_id": source_id}):
        request = urllib.request.Request(
            f"{rig.service.url}/v3/tasks/consistency-results/export",
            json.dumps({"task_info": [named]}).encode(),
            {"X-Auth-Token": rig.token, "Content-Type": "application/json", "X-Language": "zh-cn"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.headers["Content-Type"] == "text/csv"
            table = list(csv.reader(io.StringIO(answer.read().decode("utf-8-sig"))))
        assert table[0][0] == "任务ID"
        assert [table[1][n] for n in (0, 1, 2, 4, 5, 6)] == [
            task_id, source_id, "'=cmd()", "/srv", "9", "0",
        ]  # fmt: skip
    export = "/v3/tasks/consistency-results/export"
    refused = rig.refused("POST", export, {"task_info": [{"task_id": "nobody"}]})
    assert refused[:2] == (404, "SMS.2252")
    status, _, message = rig.refused("POST", export, {"task_info": [{}]})
    assert (status, "task_info[0]" in message) == (400, True)


def test_no_more_than_the_last_consistency_results_are_kept(rig: Rig):
    source_id, agent = rig.agent()
    path = f"/v3/tasks/{rig.task(source_id)}/consistency-result"
    for _ in range(3):
        rig.call("POST", path, {"consistency_result": [RESULT]}, agent)
    assert len(rig.call("GET", path)["result_list"]) == 1
    with rig.service.house() as opened, opened.database.read() as db:
        task_ids = db.execute(sa.select(consistency_results.c.task_id)).scalars().all()
    assert len(task_ids) == len(set(task_ids))


def test_a_source_has_consistency_results_as_long_as_its_task_has(rig: Rig):
    source_id = rig.source()
    task_id = rig.task(source_id)
    rig.call("POST", f"/v3/tasks/{task_id}/consistency-result", {"consistency_result": [RESULT]})
    wanted = "/v3/sources?is_consistency_result_exist=true"
    assert [s["id"] for s in rig.call("GET", wanted)["source_servers"]] == [source_id]
    rig.call("DELETE", f"/v3/tasks/{task_id}")
    assert rig.call("GET", wanted)["count"] == 0


def state(rig: Rig, source_id: str, copystate: str, cycle: str, token: str = "") -> Any:
    told = {"copystate": copystate, "migrationcycle": cycle}
    path = f"/v3/sources/{source_id}/changestate"
    status, _, answer = rig.service.call("PUT", path, told, X_Auth_Token=token or rig.token)
    return status, (answer or {}).get("error_code")


def test_a_source_s_state_is_its_task_s(rig: Rig):
    source_id = rig.source()
    assert state(rig, source_id, "waiting", "setting") == (404, "SMS.2252")
    rig.task(source_id, auto_start=True)
    assert state(rig, source_id, "init", "replicating") == (200, None)
    assert state(rig, source_id, "finished", "cutovered") == (409, "REHOST.4101")
    assert rig.shown(source_id)["state"] == "initialize"
    assert state(rig, source_id, "replicate", "replicating") == (200, None)
    assert rig.shown(source_id)["state"] == "replicate"
    assert state(rig, source_id, "init", "replicating") == (409, "REHOST.4101")
    assert state(rig, source_id, "initialize", "replicating") == (400, "REHOST.4000")
    _, other = rig.agent()
    assert state(rig, source_id, "replicate", "replicating", other) == (403, "SMS.2248")


def test_what_an_agent_failed_in_is_told(rig: Rig):
    source_id = rig.source()
    task_id = rig.task(source_id, auto_start=True)
    rig.command(source_id)
    rig.result(source_id, "START", "fail", error_code="REHOST.8001", error_msg="disk is gone")
    task = rig.show(task_id)
    assert task["state"] == "MIGRATE_FAIL"
    assert json.loads(task["error_json"]) == {
        "error_code": "REHOST.8001", "error_msg": "disk is gone",
    }  # fmt: skip
    [error] = rig.call("GET", "/v3/errors")["migration_errors"]
    assert "disk is gone" in error["error_json"]
    rig.act(task_id, "restart")
    assert rig.show(task_id)["error_json"] == ""


def test_a_result_is_of_the_command_that_it_names(rig: Rig):
    source_id = rig.source()
    task_id = rig.task(source_id, auto_start=True)
    path = f"/v3/sources/{source_id}/command"
    first = rig.call("GET", path)["command_param"]["command_id"]
    rig.act(task_id, "stop")
    rig.command(source_id)
    rig.result(source_id, "STOP")
    rig.act(task_id, "start")
    second = rig.call("GET", path)["command_param"]["command_id"]
    assert first != second
    late = {"command_name": "START", "result": "fail", "result_detail": {"command_id": first}}
    refused = rig.refused("POST", f"/v3/sources/{source_id}/command_result", late)
    assert refused[:2] == (400, "SMS.2009")
    assert rig.show(task_id)["state"] == "RUNNING"


def test_a_command_whose_answer_was_lost_comes_again(rig: Rig):
    source_id = rig.source()
    task_id = rig.task(source_id, auto_start=True)

    def polled(carrying_out: int | str) -> tuple[str, str]:
        path = f"/v3/sources/{source_id}/command?carrying_out={carrying_out}"
        answer = rig.call("GET", path)
        return answer["command_name"], answer["command_param"].get("command_id", "")

    name, start = polled(0)
    assert name == "START"
    assert polled(0) == (name, start)
    assert polled(start)[0] == "TASK_NOT_STARTED"
    rig.act(task_id, "stop")
    name, stop = polled(start)
    assert (name, polled(start)) == ("STOP", ("STOP", stop))
    rig.result(source_id, "STOP", command_id=stop)
    assert polled(0)[0] == "TASK_HAS_STOPPED"
    for wrong in ("-1", "x", str(1 << 63)):
        path = f"/v3/sources/{source_id}/command?carrying_out={wrong}"
        assert rig.refused("GET", path)[0] == 400


def test_an_agent_that_starts_anew_is_told_again_what_it_has_not_answered(rig: Rig):
    source_id = rig.source()
    task_id = rig.task(source_id, auto_start=True)
    assert rig.command(source_id) == "START"
    assert rig.command(source_id) == "TASK_NOT_STARTED"
    rig.call("POST", "/v3/sources", linux(id=source_id))
    assert rig.command(source_id) == "START"
    rig.until(lambda: rig.transfer(task_id))
    rig.result(source_id, "START")
    rig.call("POST", "/v3/sources", linux(id=source_id))
    assert rig.command(source_id) != "START"


def test_a_result_counts_though_the_agent_has_registered_anew_meanwhile(rig: Rig):
    source_id = rig.source()
    task_id = rig.task(source_id, auto_start=True)
    path = f"/v3/sources/{source_id}/command?carrying_out="
    start = rig.call("GET", path + "0")["command_param"]["command_id"]
    rig.call("POST", "/v3/sources", linux(id=source_id))
    assert rig.call("GET", path + start)["command_name"] == "TASK_NOT_STARTED"
    rig.result(source_id, "START", "fail", command_id=start)
    assert rig.show(task_id)["state"] == "MIGRATE_FAIL"
    assert rig.command(source_id) == "TASK_NOT_STARTED"


def test_the_id_of_a_command_may_come_back_as_a_number(rig: Rig):
    source_id = rig.source()
    rig.task(source_id, auto_start=True)
    start = rig.call("GET", f"/v3/sources/{source_id}/command")["command_param"]["command_id"]
    path = f"/v3/sources/{source_id}/command_result"
    told = {"command_name": "START", "result": "fail"}
    for wrong in (int(start) + 1, [start], True):
        said = told | {"result_detail": {"command_id": wrong}}
        assert rig.refused("POST", path, said)[:2] == (400, "SMS.2009")
    rig.result(source_id, "START", "fail", command_id=int(start))
