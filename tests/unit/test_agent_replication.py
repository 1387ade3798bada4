import errno
import json
import os
import signal
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from rehost.agent import replication as module
from rehost.agent.replication import Replication
from rehost.contract import agent_api, packages
from rehost.contract.agent_api import Command, Result
from rehost.contract.client import Answer, Client
from rehost.contract.retry import Backoff
from rehost.contract.transfer import Transfer
from rehost.errors import ApiError, ServiceUnreachable
from rehost.stream_errors import DiskNotReported, SenderDied
from rehost.task_errors import TargetNotReady, TaskNotFound, TaskRefuses

DISKS = frozenset({"/dev/vda"})


class Service:
    """Answers what a task's agent asks; `disk` is what it names, `away` is whether it answers."""

    def __init__(self):
        self.disk = "/dev/vda"
        self.port = 7001
        self.refusal = ""
        self.away = False
        self.unheard = ""  # what of its operations is not answered
        self.point = self.taken = 0
        self.more = {}  # of where to send
        self.keys = {"LINUX_IO_LIMIT": "5"}  # configured
        self.points = []
        self.differing = []  # of each comparison, how much was not the same
        self.seen = []

    def call(self, method, path, *, body=None, **_):
        self.seen.append((method, path.rpartition("/")[2]))
        if path.endswith("/transfer") and self.refusal:
            raise ApiError("no", code=self.refusal, status=HTTPStatus.CONFLICT)
        if self.away or path.rpartition("/")[2] == self.unheard:
            raise ServiceUnreachable("the service is away")
        if path.endswith("/point"):
            self.points.append(body)
        if path.endswith("/consistency-result"):
            [row] = body["consistency_result"]
            self.differing.append(row["num_different_files"])
        return Answer(HTTPStatus.OK, {}, self.answer(path))

    def answer(self, path):
        if path.endswith("/transfer"):
            disks = [{"id": 0, "name": self.disk, "size": 1 << 20}]
            where = {"host": "127.0.0.1", "port": self.port, "tls": False}
            where |= {"point": self.point, "taken": self.taken, "syncing": True}
            where |= self.more
            return {"task_id": path.split("/")[-2], "disks": disks, **where}
        if path.endswith("/certkey"):
            return {"ca": "a", "cert": "b", "private_key": "c"}
        if path.endswith("/speed-limit"):
            return {"speed_limit": []}
        if path.endswith("/configuration-setting"):
            rows = [{"config_key": k, "config_value": v} for k, v in self.keys.items()]
            return {"configurations": rows}
        return {}


@pytest.fixture
def service():
    return Service()


@pytest.fixture
def replication(service, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PROGRAM", "tests.unit.pretended_sender")
    monkeypatch.setattr(module, "REPORT_S", 0.05)
    monkeypatch.setattr(module, "ASK_S", 0.05)
    backoff = Backoff(base_s=0.01, cap_s=0.05)
    made = Replication(service, lambda: DISKS, backoff=backoff, state=tmp_path)
    yield made
    made.stop()


def start(task_id, command_id="1", name="START", **more):
    return Command(name=name, parameters={"task_id": task_id, "command_id": command_id, **more})


def noted(tmp_path):
    """What the processes were told, in order."""
    file = tmp_path / "noted"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def turned(replication, until):
    """Turn until it is so; the result, if one came."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        result = replication.turn()
        if result or until():
            return result
        time.sleep(0.01)
    pytest.fail("it did not come")


def jobs(tmp_path):
    return [told["task_id"] for told in noted(tmp_path) if "task_id" in told]


def test_a_disk_that_was_not_reported_is_not_read(replication, service, tmp_path):
    service.disk = "/etc/shadow"
    replication.begin(start("task"))
    result = turned(replication, lambda: False)
    assert result.result is Result.FAIL
    assert result.detail["error_code"] == DiskNotReported.code
    assert "/etc/shadow" in result.detail["error_msg"]
    assert jobs(tmp_path) == []
    assert not replication.is_active


def test_the_same_command_again_starts_nothing(replication, tmp_path):
    replication.begin(start("task"))
    turned(replication, lambda: jobs(tmp_path))
    for _ in range(3):
        replication.begin(start("task"))
        replication.turn()
    assert jobs(tmp_path) == ["task"]


@pytest.mark.parametrize(
    ("said", "priority"), [({}, 1), ({"priority": 0}, 0), ({"priority": 2}, 2)]
)
def test_the_process_stands_back_as_the_task_says(replication, service, tmp_path, said, priority):
    service.more = said
    replication.begin(start("task"))
    turned(replication, lambda: jobs(tmp_path))
    assert noted(tmp_path)[0]["options"] == {"priority": priority, "read_rate": 5_000_000}


def test_another_task_takes_its_place(replication, tmp_path):
    replication.begin(start("task"))
    turned(replication, lambda: jobs(tmp_path))
    replication.begin(start("other", "2"))
    turned(replication, lambda: len(jobs(tmp_path)) == 2)
    assert jobs(tmp_path) == ["task", "other"]
    # The first was told to end, and had before the second one began.
    assert noted(tmp_path)[1] == {"stop": True}


def test_a_killed_sender_is_started_again_more_and_more_rarely(replication, tmp_path, monkeypatch):
    delays = []

    class Noting(Backoff):
        def delay(self, failures, retry_after_s=None):
            delays.append(failures)
            return 0.0

    monkeypatch.setattr(replication, "_backoff", Noting())
    replication.begin(start("killed"))
    assert turned(replication, lambda: len(jobs(tmp_path)) == 4) is None
    assert delays[:3] == [1, 2, 3]


def test_a_receiver_that_does_not_trust_it_is_asked_with_new_certificates(
    replication, service, tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "TRUST_TRIES", 2)
    service.more = {"tls": True}
    replication.begin(start("not-trusted"))
    result = turned(replication, lambda: False)
    assert (result.result, result.detail["error_code"]) == (Result.FAIL, "REHOST.7013")
    assert len(jobs(tmp_path)) == 3
    assert service.seen.count(("GET", "certkey")) == 3


def test_what_came_of_it_is_told_once_the_service_is_back(replication, service, tmp_path):
    service.unheard = "progress"
    replication.begin(start("copied"))
    told = ("PUT", "progress")
    assert turned(replication, lambda: service.seen[-3:] == [told] * 3) is None
    service.unheard = ""
    result = turned(replication, lambda: False)
    assert (result.result, result.detail) == (Result.SUCCESS, {"command_id": "1"})
    assert service.seen[-1] == ("POST", "consistency-result")
    assert jobs(tmp_path) == ["copied"]


@pytest.mark.parametrize(("name", "connections"), [("START", 3), ("SYNC", 2)])
def test_each_command_has_its_own_number_of_connections(
    replication, service, tmp_path, name, connections
):
    service.keys = {"NUM_PROCESS_MIGRATE": "3", "NUM_PROCESS_SYNC": "2"}
    replication.begin(start("task", name=name))
    turned(replication, lambda: noted(tmp_path))
    assert noted(tmp_path)[0]["options"]["connections"] == connections


def test_what_is_copied_is_always_compared(replication, tmp_path):
    replication.begin(start("task"))
    turned(replication, lambda: noted(tmp_path))
    assert noted(tmp_path)[0]["verify"] is True


def test_a_receiver_that_moved_is_followed_without_beginning_anew(replication, service, tmp_path):
    replication.begin(start("cut-off"))
    turned(replication, lambda: jobs(tmp_path))
    service.port = 7002
    turned(replication, lambda: len(noted(tmp_path)) > 1)
    peer = {"host": "127.0.0.1", "port": 7002, "ipv6": False, "tls": None}
    assert noted(tmp_path)[1:] == [{"peer": peer}]
    assert jobs(tmp_path) == ["cut-off"]


def test_a_receiver_that_has_another_address_is_sent_to_by_another_process(
    replication, service, tmp_path
):
    replication.begin(start("cut-off"))
    turned(replication, lambda: jobs(tmp_path))
    service.more = {"host": "::1", "ipv6": True}
    turned(replication, lambda: len(jobs(tmp_path)) > 1)
    told = [job for job in noted(tmp_path) if "task_id" in job]
    assert [(job["host"], job["ipv6"]) for job in told] == [("127.0.0.1", False), ("::1", True)]


def without_jobs(tmp_path):
    return [told for told in noted(tmp_path) if "task_id" not in told]


@pytest.mark.parametrize(("more", "verify"), [({}, False), ({"verify": True}, True)])
def test_whether_to_compare_again_comes_with_the_end(replication, service, tmp_path, more, verify):
    replication.begin(start("in-step"))
    turned(replication, lambda: jobs(tmp_path) and service.differing == [0])
    replication.begin(start("in-step", "2", "SYNC", **more))
    turned(replication, lambda: len(noted(tmp_path)) == 2)
    assert without_jobs(tmp_path) == [{"finish": True, "verify": verify}]
    if verify:
        turned(replication, lambda: len(service.differing) == 2)
    assert service.differing == [0, 1][: 1 + verify]


def test_comparisons_are_told_when_the_service_is_back_all_of_them(replication, service, tmp_path):
    service.unheard = "consistency-result"
    replication.begin(start("in-step"))
    turned(replication, lambda: jobs(tmp_path))
    replication.begin(start("in-step", "2", "SYNC", verify=True))
    turned(replication, lambda: service.seen.count(("POST", "consistency-result")) > 3)
    service.unheard = ""
    turned(replication, lambda: len(service.differing) == 2)
    assert service.differing == [0, 1]


def test_comparisons_of_a_task_are_not_told_of_another(replication, service, tmp_path):
    service.unheard = "consistency-result"
    replication.begin(start("in-step"))
    turned(replication, lambda: service.seen.count(("POST", "consistency-result")) > 1)
    replication.begin(start("task", "2"))
    service.unheard = ""
    turned(replication, lambda: jobs(tmp_path) == ["in-step", "task"])
    asked = len(service.seen)
    turned(replication, lambda: service.seen[asked:].count(("PUT", "progress")) > 3)
    assert service.differing == []


def test_a_skip_before_the_process_runs_is_part_of_its_job(replication, service, tmp_path):
    service.refusal = agent_api.TARGET_NOT_READY
    replication.begin(start("task"))
    turned(replication, lambda: service.seen.count(("GET", "transfer")) > 1)
    replication.skip("task")
    service.refusal = ""
    turned(replication, lambda: jobs(tmp_path))
    os.kill(replication._child.pid, signal.SIGKILL)  # before it has left anything out
    turned(replication, lambda: len(jobs(tmp_path)) == 2)
    assert [told["skip"] for told in noted(tmp_path)] == [True, True]


def test_a_skip_is_told_to_the_process_and_used_up_once_it_was_done(replication, tmp_path):
    replication.begin(start("task"))
    turned(replication, lambda: jobs(tmp_path))
    for _ in range(2):
        replication.skip("task")
    turned(replication, lambda: replication._told["skip"] is False)
    assert without_jobs(tmp_path)[:1] == [{"skip": True}]
    os.kill(replication._child.pid, signal.SIGKILL)
    turned(replication, lambda: len(jobs(tmp_path)) == 2)
    assert [told["skip"] for told in noted(tmp_path) if "task_id" in told] == [False, False]


@pytest.mark.parametrize("task_id", ["", "another"])
def test_a_skip_of_what_is_not_carried_out_changes_nothing(replication, tmp_path, task_id):
    replication.skip(task_id)
    replication.begin(start("task"))
    turned(replication, lambda: jobs(tmp_path))
    replication.skip(task_id)
    assert noted(tmp_path)[0]["skip"] is False
    assert without_jobs(tmp_path) == []


def test_a_point_that_is_asked_for_is_held_told_and_taken(replication, service, tmp_path):
    replication.begin(start("in-step"))
    turned(replication, lambda: jobs(tmp_path))
    service.point = 1
    service.unheard = "point"
    turned(replication, lambda: service.seen.count(("POST", "point")) > 1)
    service.unheard = ""
    turned(replication, lambda: service.points)
    service.refusal = agent_api.TARGET_NOT_READY  # as it is made use of
    asked = len(service.seen)
    turned(replication, lambda: len(service.seen) > asked + 5)
    service.refusal, service.taken = "", 1
    turned(replication, lambda: {"taken": 1} in noted(tmp_path))
    assert without_jobs(tmp_path) == [{"point": 1}, {"taken": 1}]
    [told] = service.points
    age = told.pop("age_ms")
    assert 1000 <= age < 60_000
    assert told == {
        "number": 1,
        "duration_ms": 50,
        "frozen": ["/"],
        "skipped": [["/boot/efi", "vfat"]],
        "failed_hooks": [],
    }


def test_a_child_that_is_killed_takes_a_point_anew_unless_it_was_taken(
    replication, service, tmp_path
):
    service.point = 2
    service.taken = 1
    replication.begin(start("in-step"))
    turned(replication, lambda: service.points)
    os.kill(replication._child.pid, signal.SIGKILL)
    turned(replication, lambda: len(service.points) == 2)
    assert [p["number"] for p in service.points] == [2, 2]
    service.taken = 2
    os.kill(replication._child.pid, signal.SIGKILL)
    turned(replication, lambda: len(jobs(tmp_path)) == 3)
    service.point = 3
    turned(replication, lambda: len(service.points) == 3)
    assert without_jobs(tmp_path) == [{"point": 2}, {"point": 2}, {"point": 3}]


def test_no_child_is_started_while_a_point_is_made_use_of(replication, service, tmp_path):
    service.point = 1
    replication.begin(start("in-step"))
    turned(replication, lambda: service.points)
    service.refusal = agent_api.TARGET_NOT_READY
    os.kill(replication._child.pid, signal.SIGKILL)
    asked = len(service.seen)
    turned(replication, lambda: service.seen[asked:].count(("GET", "transfer")) > 3)
    assert jobs(tmp_path) == ["in-step"]
    service.refusal, service.taken = "", 1
    turned(replication, lambda: len(jobs(tmp_path)) == 2)


def test_the_cut_is_told_before_the_result(replication, service):
    service.unheard = "point"
    replication.begin(start("copied"))
    assert turned(replication, lambda: service.seen.count(("POST", "point")) > 2) is None
    service.unheard = ""
    result = turned(replication, lambda: False)
    assert result.result is Result.SUCCESS
    [told] = service.points
    assert (told["number"], told["duration_ms"]) == (0, 50)


def test_errors_of_the_service_are_known_by_their_codes():
    assert TargetNotReady.code == agent_api.TARGET_NOT_READY
    assert {TaskRefuses.code, TaskNotFound.code} == agent_api.TASK_ENDED


def test_a_task_that_was_stopped_without_it_is_left(replication, service, tmp_path):
    replication.begin(start("cut-off"))
    turned(replication, lambda: jobs(tmp_path))
    service.refusal = agent_api.TARGET_NOT_READY
    asked = len(service.seen)
    assert turned(replication, lambda: len(service.seen) > asked + 5) is None
    service.refusal = TaskRefuses.code
    result = turned(replication, lambda: False)
    assert (result.result, result.detail["error_code"]) == (Result.FAIL, TaskRefuses.code)
    assert noted(tmp_path)[-1] == {"stop": True}
    assert not replication.is_active


def test_what_the_sender_says_does_not_pile_up(replication, service, tmp_path):
    replication.begin(start("task"))
    turned(replication, lambda: jobs(tmp_path))
    time.sleep(0.3)
    replication.listen()
    assert list(replication._child.said()) == []
    asked = len(service.seen)
    turned(replication, lambda: len(service.seen) > asked)
    assert ("PUT", "progress") in service.seen


def test_stopped_it_does_nothing_more(replication, service, tmp_path):
    replication.begin(start("task"))
    turned(replication, lambda: jobs(tmp_path))
    replication.stop()
    asked = len(service.seen)
    assert replication.turn() is None
    assert not replication.is_active
    assert len(service.seen) == asked


def test_the_task_says_why_copying_waits_to_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    told: list[Any] = []

    def dies(*_: object) -> None:
        raise SenderDied("the process that copies ended with status -9")

    monkeypatch.setattr(agent_api, "transfer", dies)
    monkeypatch.setattr(agent_api, "report_progress", lambda *words: told.append(words[-1]))
    replication = Replication(Client("http://127.0.0.1:1"), frozenset, state=tmp_path)
    replication.begin(Command(name="START", parameters={"task_id": "a"}))
    assert replication.turn() is None
    [body] = told
    assert body["process_trace"] == "the process that copies ended with status -9"
    assert body["subtask_name"] == "MIGRATE_LINUX_BLOCK"
    assert "remain_time" not in body


def test_a_source_without_space_fails_the_task_and_not_the_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    transfer = Transfer(task_id="a", host="127.0.0.1", port=1, tls=False, disks=())
    monkeypatch.setattr(agent_api, "transfer", lambda *_: transfer)
    monkeypatch.setattr(agent_api, "configuration", lambda *_: {})
    monkeypatch.setattr(agent_api, "speed_limits", lambda *_: ())
    monkeypatch.setattr("zipfile.is_zipfile", lambda _: True)
    monkeypatch.setattr(packages, "unpack", full)
    replication = Replication(Client("http://127.0.0.1:1"), frozenset, state=tmp_path)
    replication.begin(Command(name="START", parameters={"task_id": "a"}))
    result = replication.turn()
    assert result is not None
    assert result.detail["error_msg"].endswith("No space left on device")
