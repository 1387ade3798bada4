"""Tests of targets that are cut off, or fail: nothing of them stays, and nobody waits for them."""

import errno
import threading
import time

import pytest
import sqlalchemy as sa

from rehost.control import tasks, trials
from rehost.control.errands import Errands
from rehost.control.store.schema import discards
from rehost.control.task_record import LaunchState
from rehost.model.task import TaskState
from rehost.provider_errors import CloneStopped, NoSpaceForTarget
from rehost.providers.base import Power
from rehost.stages import convert
from rehost.stages.task import Action
from tests.unit.tasks import NotedRunner, new_source, new_task
from tests.unit.test_launches import (
    PANIC,
    Machines,
    _get,
    act,
    answer,
    copied,
    home,
    now,
    synchronizing,
    tell,
)

__all__ = ["home"]
LIMIT_S = 20.0


class Copying(Machines):
    """Copies as long as it is let, and keeps others from the target; `listens` when stopped."""

    def __init__(self, *, listens: bool) -> None:
        super().__init__()
        self.listens = listens
        self.began, self.may_end = threading.Event(), threading.Event()
        self.lock = threading.Lock()

    def clone(self, server_id, clone_id, *, size=None, stopped=lambda: False):
        with self.lock:
            self.clones.add(clone_id)
            self.began.set()
            deadline = time.monotonic() + LIMIT_S
            while not self.may_end.wait(0.01):
                assert time.monotonic() < deadline
                if self.listens and stopped():
                    raise CloneStopped
            return super().clone(server_id, clone_id)

    def drop_layer(self, server_id):
        with self.lock:
            super().drop_layer(server_id)


def copying(home, machines):
    """A task that is kept in step, and whose target is being copied for a test."""
    driver, task_id = synchronizing(home, machines)
    driver._errands.__class__ = Errands
    act(home, task_id, Action.TEST)
    tell(home, task_id, 1)
    driver.turn()
    assert machines.began.wait(LIMIT_S)
    return driver, task_id


def until(driver, found):
    deadline = time.monotonic() + LIMIT_S
    while not found():
        assert time.monotonic() < deadline
        driver.turn()
        time.sleep(0.01)


def test_cutover_does_not_wait_for_a_copy(home):
    machines = Copying(listens=True)
    driver, task_id = copying(home, machines)
    act(home, task_id, Action.CUTOVER)
    tell(home, task_id, 0)
    answer(home, task_id, "SYNC")
    until(driver, lambda: not now(home, task_id).active)
    task = now(home, task_id)
    assert task.state is TaskState.SYNC_SUCCESS
    assert "REHOST.4110" in task.trial.error
    assert (task.trial.stands, machines.clones) == (False, set())


def test_task_that_was_stopped_is_not_let_go_of_while_its_target_is_copied(home):
    machines = Copying(listens=False)
    driver, task_id = copying(home, machines)
    act(home, task_id, Action.STOP)
    answer(home, task_id, "STOP")
    other = NotedRunner(home, machines)
    for _ in range(3):
        driver.turn()
        other.turn()
    assert (now(home, task_id).state, now(home, task_id).active) == (TaskState.ABORT, True)
    machines.may_end.set()
    until(driver, lambda: not now(home, task_id).active)
    assert machines.clones == set()


def test_deletion_waits_until_the_copy_has_ended(home):
    machines = Copying(listens=False)
    driver, task_id = copying(home, machines)
    act(home, task_id, Action.STOP)
    answer(home, task_id, "STOP")
    with home.database.write() as db:
        tasks.delete(db, _get(db, task_id))
    driver.turn()
    NotedRunner(home, machines).turn()
    assert machines.deleted[task_id] == 0
    machines.may_end.set()

    def is_forgotten():
        with home.database.read() as db:
            return not db.execute(sa.select(discards.c.task_id)).all()

    until(driver, is_forgotten)
    assert machines.deleted[task_id] == 1
    assert machines.clones == set()


def test_synchronising_again_throws_away_what_was_being_copied(home):
    machines = Copying(listens=False)
    driver, task_id = copied(home, machines, start_target_server=False)
    driver._errands.__class__ = Errands
    act(home, task_id, Action.TEST)
    driver.turn()
    assert machines.began.wait(LIMIT_S)
    act(home, task_id, Action.SYNC)
    machines.may_end.set()
    until(driver, lambda: not now(home, task_id).trial.stands)
    assert "REHOST.4110" in now(home, task_id).trial.error
    assert machines.clones == set()


def _no_space(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_test_that_could_not_be_made_ready_keeps_no_space(home, monkeypatch):
    machines = Machines()
    driver, task_id = synchronizing(home, machines)
    monkeypatch.setattr(convert, "convert", _no_space)
    act(home, task_id, Action.TEST)
    tell(home, task_id, 1)
    driver.turn()
    task = now(home, task_id)
    assert (task.state, task.trial.state) == (TaskState.SYNCING, LaunchState.FAILED)
    assert "REHOST.7102" in task.trial.error
    assert machines.clones | machines.layered == set()


def test_test_that_did_not_come_up_stays_to_be_looked_at(home):
    machines = Machines(PANIC)
    driver, task_id = synchronizing(home, machines)
    act(home, task_id, Action.TEST)
    tell(home, task_id, 1)
    driver.turn()
    assert now(home, task_id).trial.stands
    assert machines.on == machines.clones == {trials.clone_id(task_id)}


@pytest.mark.parametrize("failure", [NoSpaceForTarget("here", "no"), RuntimeError("bug")])
def test_copy_that_cannot_be_thrown_away_is_left_to_the_next(home, failure):
    class Stuck(Machines):
        stuck: Exception | None = None

        def delete(self, server_id):
            if self.stuck and self.clones:
                raise self.stuck
            super().delete(server_id)

    machines = Stuck()
    driver, task_id = synchronizing(home, machines)
    machines.stuck = failure
    machines.clones.add(trials.clone_id(task_id))
    act(home, task_id, Action.TEST)
    tell(home, task_id, 1)
    driver.turn()
    task = now(home, task_id)
    assert (task.state, task.trial.state) == (TaskState.SYNCING, LaunchState.FAILED)
    machines.stuck = None
    act(home, task_id, Action.TEST)
    tell(home, task_id, 2)
    driver.turn()
    assert now(home, task_id).trial.outcome == "up"


def test_target_that_was_not_even_begun_may_be_made_by_another_machine(home):
    machines = Nowhere()
    machines.failure = NoSpaceForTarget("here", "No space left on device")
    driver = NotedRunner(home, machines)
    task = new_task(home, new_source(home))
    act(home, task.id, Action.START)
    driver.turn()
    driver.turn()
    assert now(home, task.id).node is None
    machines.there = Power.OFF
    driver.wake()
    driver._hurry()
    driver.turn()
    driver.turn()
    assert now(home, task.id).node == driver._holder.node


class Nowhere(Machines):
    """Knows no server, until it has one that is half made."""

    there = Power.GONE

    def power(self, server_id):
        return self.there
