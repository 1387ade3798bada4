"""Any part of the chain may be killed at any point: at the end both ends are the same."""

import itertools
import random
import time

import pytest

from tests.migration.rig import MIB, differing, kill, make_disk, receiver_of, set_limit

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
