"""What was kept in step is compared again before the cut, if that is wanted."""

import json
import time

import pytest
import sqlalchemy as sa

from rehost.control.store import commands
from rehost.control.store.schema import audit, consistency_results
from tests.migration.rig import MIB, differing, make_disk
from tests.points import database_of

SIZE = 48 * MIB
DAMAGED = 20  # the MiB of the target that is


def damage(target):
    with target.open("r+b") as file:
        file.seek(DAMAGED * MIB + 5000)
        file.write(b"not what was sent")


def compared(service, task_id):
    """How many comparisons were told, and how many blocks the last one found different."""
    with database_of(service) as database, database.read() as db:
        told = sa.select(sa.func.count()).where(
            audit.c.event == "UpdateConsistencyResult", audit.c.resource_id == task_id
        )
        last = sa.select(consistency_results.c.result).where(
            consistency_results.c.task_id == task_id
        )
        result = db.execute(last).scalar()
        blocks = json.loads(result)[0]["num_different_files"] if result else None
        return db.execute(told).scalar_one(), blocks


def end(machine, task_id, **wish):
    told = {"operation": "cutover", **wish}
    machine.rig.call("POST", f"/v3/tasks/{task_id}/action", told)
    task = machine.until_ended(task_id)
    assert task["state"] == "SYNC_SUCCESS", task["error_json"]


@pytest.fixture
def image(tmp_path):
    return make_disk(tmp_path / "disk", SIZE)


@pytest.fixture
def machine(image, make_service, make_machine):
    return make_machine(make_service(), image)


def in_step(machine, **more):
    task_id = machine.task(syncing=True, **more)
    machine.rig.until_state(task_id, "SYNCING")
    machine.until(lambda: compared(machine.service, task_id)[0])
    return task_id


@pytest.mark.parametrize(
    ("made", "wish"),
    [
        ({}, {"is_need_consistency_check": True}),
        ({"is_need_consistency_check": True}, {}),
    ],
    ids=["with-cutover", "with-the-task"],
)
def test_damage_since_the_first_copy_is_found_told_and_mended(made, wish, image, machine):
    task_id = in_step(machine, **made)
    damage(machine.target(task_id))
    end(machine, task_id, **wish)
    assert differing(image, machine.target(task_id)) == []
    assert compared(machine.service, task_id) == (2, 1)
    path = f"/v3/tasks/{task_id}/consistency-result"
    [row] = map(json.loads, machine.rig.call("GET", path)["result_list"])
    assert (row["num_total_files"], row["num_different_files"]) == (SIZE // MIB, 1)


@pytest.mark.parametrize(
    ("made", "wish"),
    [({}, {}), ({"is_need_consistency_check": True}, {"is_need_consistency_check": False})],
    ids=["not-wanted", "not-wanted-any-more"],
)
def test_what_is_not_asked_for_is_not_done(made, wish, image, machine):
    task_id = in_step(machine, **made)
    damage(machine.target(task_id))
    end(machine, task_id, **wish)
    assert differing(image, machine.target(task_id)) == [DAMAGED]
    assert compared(machine.service, task_id) == (1, 0)


def test_one_comparison_is_enough_where_it_was_made_just_now(machine):
    task_id = machine.task(is_need_consistency_check=True)
    task = machine.until_ended(task_id)
    assert task["state"] == "MIGRATE_SUCCESS", task["error_json"]
    told = {"operation": "sync", "is_need_consistency_check": True}
    machine.rig.call("POST", f"/v3/tasks/{task_id}/action", told)
    machine.rig.until_state(task_id, "SYNC_SUCCESS")
    # One by each command.
    assert compared(machine.service, task_id) == (2, 0)


def test_an_agent_that_is_killed_before_it_ends_compares_once(image, machine):
    task_id = in_step(machine, is_need_consistency_check=True)
    machine.kill()
    damage(machine.target(task_id))
    machine.rig.act(task_id, "cutover")
    machine.start()
    task = machine.until_ended(task_id)
    assert task["state"] == "SYNC_SUCCESS", task["error_json"]
    assert differing(image, machine.target(task_id)) == []
    assert compared(machine.service, task_id) == (2, 1)


SLOW = {"config_key": "LINUX_IO_LIMIT", "config_value": "4"}  # MB/s: 12 s to compare all


def until_compared(machine, task_id):
    """Until source and target are being compared; since when that is known."""
    comparing = "source and target are compared"
    machine.until(lambda: any(
        comparing in (p["process_trace"] or "") for p in machine.show(task_id)["sub_tasks"]
    ))  # fmt: skip
    return time.monotonic()


def make_slow(machine, task_id):
    path = f"/v3/tasks/{task_id}/configuration-setting"
    machine.rig.call("POST", path, {"task_id": task_id, "configurations": [SLOW]})


def test_a_comparison_that_takes_long_is_skipped(image, machine):
    task_id = machine.task(auto_start=False)
    make_slow(machine, task_id)
    machine.rig.act(task_id, "start")
    began = until_compared(machine, task_id)
    for _ in range(2):
        machine.rig.act(task_id, "skip")
    task = machine.until_ended(task_id)
    assert time.monotonic() - began < 10
    assert task["state"] == "MIGRATE_SUCCESS", task["error_json"]
    assert compared(machine.service, task_id) == (0, None)
    assert differing(image, machine.target(task_id)) == []
    assert "command SKIP: success" in machine.log


@pytest.mark.slow
def test_what_a_skipped_comparison_found_is_mended(image, machine):
    task_id = in_step(machine)
    target = machine.target(task_id)
    with target.open("r+b") as file:
        file.write(b"not what was sent")
    machine.rig.act(task_id, "stop")
    machine.rig.until_state(task_id, "ABORT")
    make_slow(machine, task_id)
    machine.rig.act(task_id, "restart")
    until_compared(machine, task_id)
    time.sleep(2)  # of 12: what is at the beginning was compared
    machine.rig.act(task_id, "skip")
    machine.rig.until_state(task_id, "SYNCING")
    end(machine, task_id)
    assert differing(image, target) == []
    assert compared(machine.service, task_id) == (1, 0)


def test_the_next_comparison_is_skipped_and_the_one_after_it_is_not(image, machine):
    task_id = machine.task(syncing=True)
    machine.rig.act(task_id, "skip")
    machine.rig.until_state(task_id, "SYNCING")
    damage(machine.target(task_id))
    end(machine, task_id, is_need_consistency_check=True)
    assert differing(image, machine.target(task_id)) == []
    assert compared(machine.service, task_id) == (1, 1)


def test_a_skip_while_nothing_is_compared_is_about_the_last_comparison(image, machine):
    task_id = in_step(machine, is_need_consistency_check=True)
    damage(machine.target(task_id))
    machine.rig.act(task_id, "skip")
    machine.until(lambda: "command SKIP: success" in machine.log)
    end(machine, task_id)
    assert differing(image, machine.target(task_id)) == [DAMAGED]
    assert compared(machine.service, task_id) == (1, 0)


def test_a_skip_that_nobody_carries_out_is_confirmed(machine):
    task_id = machine.task()
    machine.until_ended(task_id)
    with database_of(machine.service) as database, database.write() as db:
        commands.add(db, machine.source_id, "SKIP", json.dumps({"task_id": task_id}))
    machine.until(lambda: "command SKIP: success" in machine.log)
