"""What the service keeps of the moments that a source was held at."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rehost.control import points, tasks
from rehost.control.task_record import Point, Task
from rehost.model.task import TaskState
from rehost.stages.task import Action
from tests.unit.identities import House
from tests.unit.identities import house as make_house
from tests.unit.tasks import new_source, new_task


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[House]:
    with make_house(tmp_path, database_url) as made:
        yield made


def point(number: int, at: int = 1000, error: str = "") -> Point:
    return Point(number=number, at=at, told_at=at + 5, error_code=error)


@pytest.fixture
def task(house: House) -> Task:
    """Kept in step; two points were asked for, and the first of them is done with."""
    made = new_task(house, new_source(house), syncing=True)
    run = replace(made.run, points_wanted=2, points_taken=1)
    return replace(made, state=TaskState.SYNCING, run=run)


def test_a_point_that_was_asked_for_is_kept_and_holds_the_target(task: Task):
    after = points.told(task, point(2))
    assert after.run.point(2) == point(2)
    assert after.run.is_held
    taken = replace(after.run, points_taken=2)
    assert not taken.is_held
    assert taken.point(2) == point(2)


def test_told_again_it_is_what_it_was(task: Task):
    after = points.told(task, point(2, at=1000))
    assert points.told(after, point(2, at=1007)) == after


@pytest.mark.parametrize("number", [1, 3])
def test_nothing_comes_of_what_is_late_or_was_not_asked_for(task: Task, number: int):
    assert points.told(task, point(number)) == task


@pytest.mark.parametrize("state", [TaskState.ABORT, TaskState.SYNC_FAIL, TaskState.SYNC_SUCCESS])
def test_nothing_comes_of_what_is_told_of_a_task_at_rest(task: Task, state: TaskState):
    rests = replace(task, state=state)
    assert points.told(rests, point(2)) == points.told(rests, point(0)) == rests


def test_a_point_that_could_not_be_had_holds_nothing_and_may_be_had_yet(task: Task):
    after = points.told(task, point(2, error="REHOST.7070"))
    assert not after.run.is_held
    again = points.told(after, point(2, at=2000))
    assert again.run.points == (point(2, at=2000),)
    assert again.run.is_held


def test_of_the_cut_the_last_one_is_kept(task: Task):
    first = points.told(points.told(task, point(2)), point(0, at=3000))
    again = points.told(first, point(0, at=4000))
    assert again.run.points == (point(0, at=4000), point(2))


def test_a_task_that_is_tested_again_and_again_keeps_the_last_points_and_the_cut(task: Task):
    task = points.told(task, point(0))
    for number in range(2, 50):
        asked = replace(task.run, points_wanted=number, points_taken=number - 1)
        task = points.told(replace(task, run=asked), point(number))
    kept = [p.number for p in task.run.points]
    assert kept == [0, *range(50 - points.KEPT, 50)]


def test_after_another_start_nothing_is_held_or_asked_for(house: House, task: Task):
    task = points.told(points.told(task, point(2)), point(0))
    with house.database.write() as db:
        stopped = tasks.save(db, task, replace(task, state=TaskState.SYNC_FAIL))
        started = tasks.act(db, stopped, Action.SYNC)
    run = started.run
    assert (run.points, run.points_wanted, run.points_taken, run.is_held) == ((), 2, 2, False)
