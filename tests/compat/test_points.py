"""Agents that tell when their source stood still, over HTTP."""

import time
from typing import Any

import pytest

from tests.compat.conftest import Service
from tests.compat.rig import Rig
from tests.points import ask_for_point, have_taken, stored

HELD = {"duration_ms": 41.5, "frozen": ["/srv", "/"], "failed_hooks": ["database"],
        "skipped": [["/boot/efi", "this filesystem cannot be frozen"]]}  # fmt: skip


@pytest.fixture
def rig(service: Service) -> Rig:
    return Rig(service, service.token())


@pytest.fixture
def told(rig: Rig) -> tuple[str, str]:
    """A task that is kept in step, and its agent's token."""
    source_id, token = rig.agent()
    task_id = rig.task(source_id, auto_start=True, syncing=True)
    rig.until(lambda: rig.transfer(task_id))
    rig.progress(task_id, 100, token)
    rig.until_state(task_id, "SYNCING")
    return task_id, token


def tell(rig: Rig, task_id: str, token: str, number: int, **more: Any) -> None:
    rig.call("POST", f"/v3/rehost/tasks/{task_id}/point", {"number": number, **more}, token)


def test_a_point_is_asked_for_told_and_taken(rig: Rig, told: tuple[str, str]):
    task_id, token = told
    shown = rig.transfer(task_id, token)
    assert (shown["point"], shown["taken"]) == (0, 0)
    ask_for_point(rig.service, task_id)
    assert rig.transfer(task_id, token)["point"] == 1
    before = time.time() * 1000
    tell(rig, task_id, token, 1, age_ms=700, **HELD)
    point = stored(rig.service, task_id).run.point(1)
    assert point is not None
    assert before - 701 <= point.at <= time.time() * 1000 - 699
    assert point.told_at - point.at == 700
    assert (point.duration_ms, point.frozen) == (41.5, ("/srv", "/"))
    assert point.skipped == (("/boot/efi", "this filesystem cannot be frozen"),)
    assert point.failed_hooks == ("database",)
    # Nobody begins to send while it is made use of.
    assert rig.transfer(task_id, token) is None
    tell(rig, task_id, token, 1, age_ms=9000)
    assert stored(rig.service, task_id).run.point(1) == point
    have_taken(rig.service, task_id)
    assert rig.transfer(task_id, token)["taken"] == 1


def test_a_point_that_cannot_be_had_holds_nothing(rig: Rig, told: tuple[str, str]):
    task_id, token = told
    ask_for_point(rig.service, task_id)
    tell(rig, task_id, token, 1, error_code="REHOST.7070", error_msg="cannot freeze /")
    point = stored(rig.service, task_id).run.point(1)
    assert point is not None
    assert (point.error_code, point.error_msg) == ("REHOST.7070", "cannot freeze /")
    assert rig.transfer(task_id, token)["point"] == 1


def test_the_cut_is_kept_with_the_task(rig: Rig, told: tuple[str, str]):
    task_id, token = told
    tell(rig, task_id, token, 0, age_ms=100, **HELD)
    cut = stored(rig.service, task_id).run.point(0)
    assert cut is not None
    assert cut.told_at - cut.at == 100
    assert rig.transfer(task_id, token)


def test_nobody_but_the_task_s_agent_tells_of_points(rig: Rig, told: tuple[str, str]):
    task_id, _ = told
    path, body = f"/v3/rehost/tasks/{task_id}/point", {"number": 0}
    assert rig.refused("POST", path, body)[:2] == (403, "SMS.9004")
    _, other = rig.agent()
    assert rig.refused("POST", path, body, token=other)[:2] == (403, "SMS.2248")
    assert stored(rig.service, task_id).run.points == ()


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"number": -1}, "number"),
        ({"number": True}, "number"),
        ({"age_ms": -1}, "age_ms"),
        ({"age_ms": 1e300}, "age_ms"),
        ({"duration_ms": "1"}, "duration_ms"),
        ({"frozen": "/"}, "frozen"),
        ({"skipped": [["/"]]}, "skipped"),
        ({"skipped": ["/"]}, "skipped"),
        ({"failed_hooks": [1]}, "failed_hooks"),
        ({"error_msg": "x" * 1025}, "error_msg"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_told_by_field(
    rig: Rig, told: tuple[str, str], wrong: Any, name: str
):
    task_id, token = told
    path = f"/v3/rehost/tasks/{task_id}/point"
    status, _, message = rig.refused("POST", path, {"number": 0} | wrong, token=token)
    assert (status, name in message) == (400, True), message
