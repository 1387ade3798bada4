"""Starts of targets while something comes between: a full disk, another action, another start."""

import errno
import threading
import time
from dataclasses import replace

import msgspec
import pytest
import sqlalchemy as sa

from rehost.control import launching, targets, tasks, trials
from rehost.control.errands import Errands
from rehost.control.launching import Launching
from rehost.control.starting import Starts
from rehost.control.store import leases
from rehost.control.store.schema import discards
from rehost.control.store.schema import tasks as rows
from rehost.control.task_record import ConfigKey, Configuration, Launch, LaunchState, Point
from rehost.control.trying import Trials
from rehost.control.wishes import Wishes
from rehost.errors import DatabaseUnavailable, Error
from rehost.model.server import Report
from rehost.model.task import TaskState
from rehost.provider_errors import NoSpaceForTarget
from rehost.providers.base import TargetServer
from rehost.stages import convert
from rehost.stages.launch import Outcome
from rehost.stages.task import Action
from rehost.task_errors import TrialTooLate
from tests.compat.bodies import linux
from tests.unit.tasks import AtOnce, NotedRunner, new_source, new_task
from tests.unit.test_launches import (
    CHANGED,
    CUT_AT,
    PANIC,
    UP,
    Machines,
    _get,
    act,
    answer,
    copied,
    cut_over,
    home,
    now,
    synchronizing,
    tell,
)

__all__ = ["home"]


def test_trial_of_a_finished_task_has_the_figures_of_its_cut(home):
    machines = Machines()
    driver, task_id = synchronizing(home, machines)
    act(home, task_id, Action.TEST)
    tell(home, task_id, 1)
    driver.turn()
    cut_over(home, driver, task_id)
    task = act(home, task_id, Action.TEST)
    assert task.run.point(task.trial.point).number == 0


def test_nothing_is_tried_while_the_last_pass_runs_or_the_target_starts(home, monkeypatch):
    machines = Machines()
    driver, task_id = synchronizing(home, machines)
    act(home, task_id, Action.CUTOVER)
    with pytest.raises(TrialTooLate):
        act(home, task_id, Action.CLONE_TEST)
    monkeypatch.setattr(Starts, "_started", lambda *_: None)
    tell(home, task_id, 0)
    answer(home, task_id, "SYNC")
    driver.turn()
    with pytest.raises(TrialTooLate):
        act(home, task_id, Action.TEST)
    monkeypatch.undo()
    driver.turn()
    assert act(home, task_id, Action.TEST).trial.state is LaunchState.WANTED


@pytest.mark.parametrize("state", [LaunchState.WANTED, LaunchState.CLONING])
def test_copy_of_a_finished_task_is_no_trial_once_its_disks_are_written_again(home, state):
    _, task_id = copied(home, Machines(), start_target_server=False)
    act(home, task_id, Action.TEST)
    with home.database.write() as db:
        task = _get(db, task_id)
        tasks.save(db, task, replace(task, trial=replace(task.trial, state=state)))
    task = act(home, task_id, Action.SYNC)
    assert task.trial.state is LaunchState.FAILED
    assert "REHOST.4110" in task.trial.error


def test_copy_that_failed_takes_no_space(home):
    machines = Machines()
    machines.clone_failure = NoSpaceForTarget("here", "No space left on device")
    driver, task_id = synchronizing(home, machines)
    act(home, task_id, Action.TEST)
    tell(home, task_id, 1)
    driver.turn()
    assert now(home, task_id).trial.state is LaunchState.FAILED
    assert machines.deleted[trials.clone_id(task_id)] == 2


def test_copy_that_is_tried_again_while_it_is_thrown_away_is_thrown_away_again(home):
    machines = SlowToDelete()
    driver, task_id = synchronizing(home, machines)
    errands = Errands()
    walk = Trials(machines, errands, Launching(machines, errands, home.data, limit_s=0), None)
    clearing = replace(now(home, task_id), trial=Launch(state=LaunchState.CLEARING))
    assert walk.turn(clearing, None) is None
    point = Point(number=1, at=CUT_AT, told_at=CUT_AT)
    run = replace(clearing.run, points_wanted=1, points=(point,))
    again = replace(clearing, run=run, trial=Launch(state=LaunchState.WANTED, point=1))
    assert walk.turn(again, None) is None
    machines.may_delete.set()
    while walk.turn(again, None) is None:
        time.sleep(0.01)
    assert walk.turn(clearing, None) is None
    while (cleared := walk.turn(clearing, None)) is None:
        time.sleep(0.01)
    assert cleared(clearing).trial is None
    assert machines.deleted[trials.clone_id(task_id)] == 2
    driver._leave()


class SlowToDelete(Machines):
    def __init__(self):
        super().__init__()
        self.may_delete = threading.Event()

    def delete(self, server_id):
        assert self.may_delete.wait(10)
        super().delete(server_id)


def test_target_that_failed_is_taken_down_while_a_test_is_under_way(home, monkeypatch):
    machines = Machines()
    driver, task_id = synchronizing(home, machines)
    act(home, task_id, Action.TEST)
    tell(home, task_id, 1)
    with monkeypatch.context() as slow:
        slow.setattr(Trials, "_started", lambda self, task, source, trial: trial)
        driver.turn()
        machines.says = PANIC
        cut_over(home, driver, task_id)
        driver.turn()
        task = now(home, task_id)
        assert task.state is TaskState.SYNC_FAIL
        assert trials.is_under_way(task)
        assert task_id not in machines.on | machines.layered


def _no_space(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_conversion_waits_for_space(home, monkeypatch):
    with monkeypatch.context() as full:
        full.setattr(convert, "convert", _no_space)
        driver, task_id = copied(home, Machines())
        task = now(home, task_id)
        assert task.state is TaskState.RUNNING
        assert "make space" in task.run.phase(tasks.next_phase(task)).process_trace
    driver._retries.clear()
    driver.turn()
    assert now(home, task_id).state is TaskState.MIGRATE_SUCCESS


def test_conversion_that_waits_for_space_says_where(home, monkeypatch, tmp_path):
    for named in (tmp_path, tmp_path / "disk.qcow2"):

        def fail(*_, named=named, **__):
            raise OSError(errno.ENOSPC, "No space left on device", str(named))

        with monkeypatch.context() as full:
            full.setattr(convert, "convert", fail)
            _, task_id = copied(home, Machines())
        task = now(home, task_id)
        said = task.run.phase(tasks.next_phase(task)).process_trace
        assert f"no space for target disks in {tmp_path}:" in said


def test_target_that_is_up_stays_so_where_nothing_can_be_kept_of_it(home, monkeypatch):
    monkeypatch.setattr(launching, "write_atomically", _no_space)
    machines = Machines()
    _, task_id = copied(home, machines)
    task = now(home, task_id)
    assert (task.state, task.launch.outcome) == (TaskState.MIGRATE_SUCCESS, Outcome.UP)


def test_target_that_was_started_by_hand_is_off_before_it_is_written_again(home):
    machines = Machines(PANIC)
    driver, task_id = copied(home, machines)
    machines.layer(task_id)
    machines.boot(task_id)
    act(home, task_id, Action.START)
    driver.turn()
    assert driver.receivers.open == set()
    driver.turn()
    assert machines.on == machines.layered == set()
    assert driver.receivers.open == {task_id}


def test_target_that_was_started_by_hand_meanwhile_does_not_fail_its_cutover(home):
    machines = Machines(PANIC)
    driver, task_id = copied(home, machines)
    act(home, task_id, Action.START)
    driver.turn()
    machines.layer(task_id)  # `rehost targets start` had looked when the task was at rest
    machines.boot(task_id)
    machines.says = UP
    machines.calls.clear()
    answer(home, task_id, "START")
    driver.turn()
    assert now(home, task_id).state is TaskState.MIGRATE_SUCCESS
    assert machines.calls == [f"kill {task_id}", f"layer {task_id}", f"boot {task_id}"]


def test_verdict_is_not_asked_for_again_where_its_runner_was_killed_after_it(home, monkeypatch):
    machines = Machines()
    original = tasks.done

    def killed(task, name, *, began):
        if name == "DETTACH_AGENT_IMAGE":
            raise DatabaseUnavailable("gone")
        return original(task, name, began=began)

    with monkeypatch.context() as cut:
        cut.setattr(tasks, "done", killed)
        with pytest.raises(DatabaseUnavailable):
            copied(home, machines)
    (task_id,) = machines.on
    before = now(home, task_id)
    assert (before.state, before.launch.outcome) == (TaskState.RUNNING, Outcome.UP)
    machines.says = PANIC
    with home.database.write() as db:
        leases.lapse(db, {row for (row,) in db.execute(sa.select(rows.c.lease_owner))})
    NotedRunner(home, machines).turn()
    after = now(home, task_id)
    assert (after.state, after.launch) == (TaskState.MIGRATE_SUCCESS, before.launch)


def test_target_of_a_task_that_was_rolled_back_and_deleted_is_taken_down_and_stays(home):
    machines = Machines()
    driver, task_id = synchronizing(home, machines)
    cut_over(home, driver, task_id)
    act(home, task_id, Action.SYNC_FAILED_ROLLBACK)
    assert machines.on == machines.layered == {task_id}
    with home.database.write() as db:
        tasks.delete(db, _get(db, task_id))
    driver.turn()
    assert machines.on == machines.layered == set()
    assert machines.deleted[task_id] == 0


def test_target_of_a_task_that_succeeded_runs_on_when_that_is_deleted(home):
    machines = Machines()
    driver, task_id = copied(home, machines)
    with home.database.write() as db:
        tasks.delete(db, _get(db, task_id))
    driver.turn()
    assert machines.on == machines.layered == {task_id}
    with home.database.read() as db:
        assert not db.execute(sa.select(discards.c.task_id)).all()


@pytest.mark.parametrize("wish", [Action.CLONE_TEST, Action.CLEAR])
def test_wish_that_comes_as_a_task_goes_to_rest_is_not_lost(home, monkeypatch, wish):
    machines = Machines()
    driver, task_id = copied(home, machines, start_target_server=False)
    act(home, task_id, Action.TEST)
    original = NotedRunner._close

    def late(self, task):
        """The operator's wish is stored after the runner read the task."""
        ended = original(self, task)
        if not trials.is_under_way(task):
            monkeypatch.setattr(NotedRunner, "_close", original)
            act(home, task_id, wish)
        return ended

    monkeypatch.setattr(NotedRunner, "_close", late)
    driver.turn()
    task = now(home, task_id)
    assert NotedRunner._close is original
    assert not task.active
    assert task.trial is None or task.trial.outcome == Outcome.UP
    assert machines.deleted[trials.clone_id(task_id)] == 2


def test_test_that_nobody_works_on_any_more_can_be_asked_for_again(home):
    driver, task_id = copied(home, Machines(), start_target_server=False)
    with home.database.write() as db:
        task = _get(db, task_id)
        tasks.save(db, task, replace(trials.want(task, Action.TEST, Wishes()), active=False))
    act(home, task_id, Action.TEST)
    driver.turn()
    assert now(home, task_id).trial.outcome == Outcome.UP


def test_what_was_done_in_a_run_that_was_stopped_is_not_of_the_next_one(home, monkeypatch):
    machines = Machines()
    original = Starts._prepared

    def late(self, task, source, launch):
        """Between the runner's look and its note it was stopped, ended and started again."""
        made = original(self, task, source, launch)
        monkeypatch.setattr(Starts, "_prepared", original)
        act(home, task.id, Action.STOP)
        answer(home, task.id, "STOP")
        act(home, task.id, Action.START)
        return made

    monkeypatch.setattr(Starts, "_prepared", late)
    driver, task_id = copied(home, machines)
    driver.turn()
    task = now(home, task_id)
    assert tasks.next_phase(task) == task.copying.name
    assert not task.run.phase("CONFIGURE_LINUX_BLOCK").is_done
    assert driver.receivers.open == {task_id}
    machines.calls.clear()
    answer(home, task_id, "START")
    driver.turn()
    assert now(home, task_id).state is TaskState.MIGRATE_SUCCESS
    assert machines.calls == [f"layer {task_id}", f"boot {task_id}"]


def test_what_failed_in_a_run_that_was_stopped_does_not_fail_the_next_one(home, monkeypatch):
    machines = Machines()

    def late(*_):
        (task_id,) = machines.created
        act(home, task_id, Action.STOP)
        answer(home, task_id, "STOP")
        act(home, task_id, Action.START)
        monkeypatch.undo()
        raise NoSystem

    monkeypatch.setattr(Starts, "_prepared", late)
    driver, task_id = copied(home, machines)
    driver.turn()
    task = now(home, task_id)
    assert (task.state, task.error) == (TaskState.RUNNING, "")
    assert driver.receivers.open == {task_id}


class NoSystem(Error):
    """For a test: what is no use to try again."""

    code = "REHOST.0002"

    def __init__(self) -> None:
        super().__init__("no system")


def test_target_is_made_ready_before_it_starts_whatever_was_noted(home):
    machines = Machines()
    driver = NotedRunner(home, machines)
    task = new_task(home, new_source(home))
    act(home, task.id, Action.START)
    driver.turn()
    with home.database.write() as db:
        before = _get(db, task.id)
        tasks.save(db, before, tasks.done(before, "CONFIGURE_LINUX_BLOCK", began=1))
    answer(home, task.id, "START")
    driver.turn()
    task = now(home, task.id)
    assert task.launch.changed == CHANGED
    assert machines.calls == [f"layer {task.id}", f"boot {task.id}"]


def test_target_without_a_layer_is_given_one_before_it_starts(home):
    machines, errands = Machines(), AtOnce()
    server = TargetServer(id="t", name="t", disks=())
    prepared = Launch(state=LaunchState.STARTING, server=server, is_prepared=True)
    walk = Launching(machines, errands, home.data, limit_s=0)
    started = walk.start("t", prepared, None)
    assert started is not None
    assert started.boot_at
    assert machines.calls == ["layer t", "boot t"]


def test_target_that_had_no_system_when_it_was_made_ready_is_not_started(home, monkeypatch):
    machines = Machines()
    with monkeypatch.context() as then:
        then.setattr(targets, "has_system", lambda *_: False)
        then.setattr(Starts, "_started", lambda *_: None)
        driver, task_id = copied(home, machines)
    driver.turn()
    assert now(home, task_id).state is TaskState.MIGRATE_SUCCESS
    assert machines.calls == []


def test_name_that_was_taken_back_is_the_sources(home):
    none = Configuration(config_key=ConfigKey.TARGET_HOSTNAME, config_value="")
    task = replace(new_task(home, new_source(home)), configurations=(none,))
    assert targets.options(task, msgspec.convert(linux(), Report)).hostname is None


def test_others_do_not_wait_for_a_deletion(home):
    deleted_by = []

    class Deleting(Machines):
        def delete(self, server_id):
            deleted_by.append(threading.current_thread())
            super().delete(server_id)

    driver = NotedRunner(home, Deleting())
    driver._errands.__class__ = Errands
    task = new_task(home, new_source(home))
    with home.database.write() as db:
        tasks.delete(db, task)
    while True:
        driver.turn()
        with home.database.read() as db:
            if not db.execute(sa.select(discards.c.task_id)).all():
                break
        time.sleep(0.01)
    assert deleted_by
    assert threading.current_thread() not in deleted_by
