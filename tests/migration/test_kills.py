"""Any part of the chain may be killed at any point: at the end both ends are the same."""

import itertools
import random
import time

import pytest

from tests.migration.rig import (
    MIB,
    differing,
    kill,
    make_disk,
    parent_of,
    processes_of,
    receiver_of,
    set_limit,
)

PARTS = ("agent", "child", "receiver", "service")


def hit(machine, part, task_id):
    """Kill one part; who should start it again does, or this does in their place."""
    if part == "agent":
        machine.kill()
        machine.start()
    elif part == "service":
        machine.service.kill()
        machine.service.start()
    elif pid := machine.child if part == "child" else receiver_of(task_id):
        kill(pid)


def orders(draw):
    """Each part as often as any other, in any order."""
    while True:
        yield from draw.sample(PARTS, len(PARTS))


@pytest.mark.parametrize(
    ("times", "size", "speed"),
    [(8, 80 * MIB, 30), pytest.param(200, 1024 * MIB, 16, marks=pytest.mark.slow)],
    ids=["8", "200"],
)
def test_parts_are_killed_at_random_points(
    times, size, speed, tmp_path, make_service, make_machine
):
    # The speed is such that blocks arrive between kills, and that it is not over before the last.
    draw = random.Random(times)
    disk = make_disk(tmp_path / "disk", size)
    machine = make_machine(make_service(), disk)
    task_id = machine.task(speed_limit=speed)
    machine.until_copied(task_id, 1)
    for part in itertools.islice(orders(draw), times):
        time.sleep(draw.uniform(0, 4))
        assert machine.show(task_id)["state"] == "RUNNING"
        hit(machine, part, task_id)
    set_limit(machine, task_id, 0)
    task = machine.until_ended(task_id, 300)
    assert task["state"] == "MIGRATE_SUCCESS", task["error_json"]
    assert differing(disk, machine.target(task_id)) == []


def test_a_restart_of_the_service_begins_nothing_anew(tmp_path, make_service, make_machine):
    disk = make_disk(tmp_path / "disk", 48 * MIB)
    machine = make_machine(make_service(), disk)
    task_id = machine.task(speed_limit=40)
    machine.until_copied(task_id, 8 * MIB)
    child, port = machine.child, machine.rig.transfer(task_id)["port"]
    machine.service.stop()
    machine.service.start()
    again = machine.until(lambda: machine.rig.transfer(task_id))
    assert again["port"] != port
    machine.until_copied(task_id, 24 * MIB)
    assert machine.child == child
    set_limit(machine, task_id, 0)
    task = machine.until_ended(task_id)
    assert task["state"] == "MIGRATE_SUCCESS", task["error_json"]
    assert differing(disk, machine.target(task_id)) == []


@pytest.mark.needs("postgresql")
def test_another_process_of_the_service_goes_on(tmp_path, server, make_service, make_machine):
    service = make_service("--workers", "2", database=server.new_database())
    disk = make_disk(tmp_path / "disk", 48 * MIB)
    machine = make_machine(service, disk)
    task_id = machine.task(speed_limit=40)
    machine.until_copied(task_id, 8 * MIB)
    [receiver] = processes_of("rehost.receiver", naming=task_id)
    worker = parent_of(receiver)
    assert worker != service.process.pid
    kill(worker)
    [receiver] = machine.until(
        lambda: (
            (found := set(processes_of("rehost.receiver", naming=task_id)) - {receiver}) and found
        )
    )
    assert parent_of(receiver) != worker
    set_limit(machine, task_id, 0)
    task = machine.until_ended(task_id)
    assert task["state"] == "MIGRATE_SUCCESS", task["error_json"]
    assert differing(disk, machine.target(task_id)) == []
