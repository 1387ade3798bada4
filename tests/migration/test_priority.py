"""A task's priority is how far copying stands back on its source, as the kernel tells."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rehost.system import niceness
from tests.migration.rig import MIB, make_disk

pytestmark = pytest.mark.needs("root")


@contextmanager
def nice(value: int) -> Iterator[None]:
    """What is started within begins so."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, value)
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, before)


def stands(pid: int) -> set[tuple[int, int]]:
    """The niceness, and the class of its I/O, that threads of a process have."""
    threads = [int(thread.name) for thread in Path(f"/proc/{pid}/task").iterdir()]
    return {
        (os.getpriority(os.PRIO_PROCESS, t), (niceness.io_priority(t) & 0xFFFF) >> 13)
        for t in threads
    }


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [({"priority": 0}, (19, 3)), ({}, (19, 2)), ({"priority": 2}, (0, 0))],
    ids=["low", "standard", "high"],
)
def test_the_process_that_copies_stands_back_as_the_task_says(
    wanted, expected, tmp_path, make_service, make_machine
):
    service = make_service()
    with nice(10):  # as the agent's unit has it
        machine = make_machine(service, make_disk(tmp_path / "disk", 32 * MIB))
    task_id = machine.task(speed_limit=20, **wanted)
    machine.until_copied(task_id, 2 * MIB)
    assert stands(machine.child) == {expected}
    assert stands(machine.process.pid) == {(10, 0)}
