"""How tasks start their targets, or copies of them: on a provider that notes what it is told."""

import time
from dataclasses import replace
from typing import Any

import pytest

from rehost.control import launching, tasks, trials
from rehost.control.starting import Starts
from rehost.control.store import commands, sources
from rehost.control.store import tasks as table
from rehost.control.task_record import LaunchState, Point
from rehost.control.tasks import Progress
from rehost.control.wishes import Wishes
from rehost.convert_errors import ConversionToolMissing
from rehost.model.source import SourceState
from rehost.model.task import TaskState
from rehost.providers.base import MachineSize, Power, TargetServer
from rehost.stages import convert
from rehost.stages.launch import Outcome, watch
from rehost.stages.task import Action
from rehost.task_errors import CannotClone, TaskRefuses, TaskSuperseded
from tests.unit.identities import house
from tests.unit.tasks import NotedProvider, NotedRunner, new_source, new_task, stored

UP = b"Debian GNU/Linux 12 vm ttyS0\n\nvm login: "
PANIC = b"Kernel panic - not syncing: VFS: Unable to mount root fs\n"
CHANGED = ("ens3 keeps its name",)
CUT_AT = 1_790_000_000_000


class Machines(NotedProvider):
    """Notes layers, clones and power; each server says `says` on its console once it is on."""

    def __init__(self, says: bytes = UP) -> None:
        super().__init__()
        self.says = says
        self.calls: list[str] = []
        self.on: set[str] = set()
        self.layered: set[str] = set()
        self.clones: set[str] = set()
        self.sizes: list[Any] = []
        self.clone_failure: Exception | None = None
        self.stop_failure: Exception | None = None

    def boot(self, server_id):
        if server_id not in self.on:
            self.calls.append(f"boot {server_id}")
            self.on.add(server_id)
        return super().boot(server_id)

    def power(self, server_id):
        return Power.ON if server_id in self.on else Power.OFF

    def stop(self, server_id, *, hard=False):
        if server_id in self.on:
            if self.stop_failure is not None:
                raise self.stop_failure
            self.calls.append(f"{'kill' if hard else 'stop'} {server_id}")
            self.on.discard(server_id)

    def console(self, server_id, *, last):
        return self.says[-last:] if server_id in self.on else b""

    def layer(self, server_id):
        assert server_id not in self.on
        if server_id not in self.layered:
            self.layered.add(server_id)
            self.calls.append(f"layer {server_id}")
        return TargetServer(id=server_id, name="t", disks=())

    def boot_layered(self, server_id):
        if server_id not in self.layered:
            self.layer(server_id)
        return self.boot(server_id)

    def drop_layer(self, server_id):
        assert server_id not in self.on
        self.layered.discard(server_id)

    def clone(self, server_id, clone_id, *, size=None, stopped=lambda: False):
        if self.clone_failure is not None:
            raise self.clone_failure
        assert server_id not in self.on
        self.calls.append(f"clone {server_id}")
        self.clones.add(clone_id)
        self.sizes.append(size)
        return TargetServer(id=clone_id, name="t", disks=())

    def delete(self, server_id):
        self.on.discard(server_id)
        self.layered.discard(server_id)
        self.clones.discard(server_id)
        super().delete(server_id)


@pytest.fixture
def home(tmp_path, database_url, monkeypatch):
    monkeypatch.setattr(launching, "watch", _judged_at_once(watch))
    monkeypatch.setattr(convert, "convert", lambda *_, **__: CHANGED)
    monkeypatch.setattr(convert, "check", lambda _: None)
    with house(tmp_path, database_url) as made:
        yield made


def _judged_at_once(watching):
    return lambda provider, server_id, **more: watching(
        provider, server_id, **{**more, "limit_s": 0, "settle_s": 0}
    )


def _get(db, task_id) -> Any:
    return table.get(db, task_id)


def act(home, task_id, action) -> Any:
    with home.database.write() as db:
        return tasks.act(db, _get(db, task_id), action)


def answer(home, task_id, command):
    with home.database.write() as db:
        task = _get(db, task_id)
        commands.withdraw(db, task.source_id, command)
        return tasks.answered(db, task, command, success=True, error="{}")


def now(home, task_id) -> Any:
    return stored(home, task_id)


def tell(home, task_id, number):
    point = Point(number=number, at=CUT_AT, told_at=int(time.time() * 1000), duration_ms=41.5)
    with home.database.write() as db:
        task = _get(db, task_id)
        tasks.save(db, task, replace(task, run=replace(task.run, points=(point,))))


def copied(home, machines, **settings):
    """A task whose agent has copied all; what it is then, and its runner."""
    driver = NotedRunner(home, machines)
    task = new_task(home, new_source(home), **settings)
    act(home, task.id, Action.START)
    driver.turn()
    answer(home, task.id, "START")
    driver.turn()
    driver.turn()  # where that failed
    return driver, task.id


def synchronizing(home, machines, **settings):
    """A task whose agent has copied all and keeps it in step; its runner."""
    driver = NotedRunner(home, machines)
    task = new_task(home, new_source(home), syncing=True, **settings)
    act(home, task.id, Action.START)
    driver.turn()
    with home.database.write() as db:
        task = _get(db, task.id)
        said = Progress(
            phase=task.keeping.name,
            progress=0,
            replicatesize=1,
            totalsize=1,
            process_trace="",
            figures={},
        )
        tasks.report(db, task, said)
    driver.turn()
    assert now(home, task.id).state is TaskState.SYNCING
    return driver, task.id


def _clone(task) -> Any:
    return tasks.shown(task).clone_server


def cut_over(home, driver, task_id):
    act(home, task_id, Action.CUTOVER)
    tell(home, task_id, 0)
    answer(home, task_id, "SYNC")
    driver.turn()
    return now(home, task_id)


def held(task):
    return task.run.points_wanted, task.run.points_taken


def source_state(home, task) -> Any:
    with home.database.read() as db:
        return sources.place(db, task.source_id).state


def test_target_is_started_on_a_layer_and_its_verdict_kept(home):
    machines = Machines()
    _, task_id = copied(home, machines)
    task = now(home, task_id)
    assert task.state is TaskState.MIGRATE_SUCCESS
    assert machines.calls == [f"layer {task_id}", f"boot {task_id}"]
    assert machines.on == machines.layered == {task_id}
    assert task.launch is not None
    assert (task.launch.outcome, task.launch.changed) == (Outcome.UP, CHANGED)
    assert task.launch.last_lines[-1] == "vm login:"
    assert task.launch.cut_at <= task.launch.boot_at <= task.launch.up_at
    assert (home.data / "launches" / task_id / "final/console.log").read_bytes() == UP


def test_target_that_does_not_come_up_is_taken_down_and_may_be_started_again(home):
    machines = Machines(PANIC)
    driver, task_id = copied(home, machines)
    task = now(home, task_id)
    assert task.state is TaskState.MIGRATE_FAIL
    assert "REHOST.4106" in task.error
    assert "the kernel panicked" in task.error
    assert not task.active
    assert machines.on == machines.layered == set()
    assert machines.deleted == {}
    assert task.launch is not None
    assert (task.launch.outcome, task.launch.stands) == (Outcome.FAILED, False)
    machines.says = UP
    act(home, task_id, Action.START)
    driver.turn()
    answer(home, task_id, "START")
    driver.turn()
    task = now(home, task_id)
    assert task.state is TaskState.MIGRATE_SUCCESS
    assert machines.created == {task_id: 1}


def test_conversion_that_fails_fails_the_task_and_leaves_the_disks(home, monkeypatch):
    machines = Machines()
    monkeypatch.setattr(convert, "convert", _refusing)
    _, task_id = copied(home, machines)
    task = now(home, task_id)
    assert task.state is TaskState.MIGRATE_FAIL
    assert "REHOST.4107" in task.error
    assert machines.calls == [f"layer {task_id}"]
    assert machines.layered == set()


def _refusing(*_, **__):
    raise CannotClone("some")


def test_what_is_missing_to_convert_is_said_before_anything_is_copied(home, monkeypatch):
    machines = Machines()
    monkeypatch.setattr(convert, "check", _lacking)
    driver = NotedRunner(home, machines)
    task_id = new_task(home, new_source(home)).id
    act(home, task_id, Action.START)
    driver.turn()
    task = now(home, task_id)
    assert task.state is TaskState.RUNNING
    assert "python3-guestfs" in task.run.phase("CREATE_CLOUD_SERVER").process_trace
    assert machines.created == {}
    monkeypatch.setattr(convert, "check", lambda _: None)
    driver._retries.clear()
    driver.turn()
    assert driver.receivers.open == {task_id}


def _lacking(_):
    raise ConversionToolMissing("there is no python3-guestfs", "python3-guestfs")


def test_target_that_is_to_stay_off_is_made_ready_only(home):
    machines = Machines()
    _, task_id = copied(home, machines, start_target_server=False)
    task = now(home, task_id)
    assert task.state is TaskState.MIGRATE_SUCCESS
    assert machines.calls == [f"layer {task_id}"]
    assert task.launch is not None
    assert (task.launch.boot_at, task.launch.state) == (None, LaunchState.DONE)


def test_target_that_cannot_be_turned_off_is_tried_again_more_rarely(home, caplog):
    machines = Machines(PANIC)
    machines.stop_failure = CannotClone("some")
    driver, task_id = copied(home, machines)
    for _ in range(5):
        driver.turn()
    task = now(home, task_id)
    assert (task.state, task.active) == (TaskState.MIGRATE_FAIL, True)
    assert "REHOST.4106" in task.error
    assert caplog.text.count("waits: ") == 1
    machines.stop_failure = None
    driver._retries.clear()
    driver.turn()
    assert not now(home, task_id).active
    assert machines.layered == set()


def test_synchronizing_again_first_turns_the_target_off(home):
    machines = Machines()
    driver, task_id = copied(home, machines)
    act(home, task_id, Action.SYNC)
    driver.turn()
    assert machines.calls[-1] == f"stop {task_id}"
    assert machines.layered == set()
    assert driver.receivers.open == {task_id}
    answer(home, task_id, "SYNC")
    driver.turn()
    assert now(home, task_id).state is TaskState.SYNC_SUCCESS
    assert machines.calls[-2:] == [f"layer {task_id}", f"boot {task_id}"]


def test_source_cuts_over_while_its_target_starts(home, monkeypatch):
    machines = Machines()
    monkeypatch.setattr(Starts, "_started", lambda *_: None)
    driver, task_id = synchronizing(home, machines)
    task = cut_over(home, driver, task_id)
    assert task.state is TaskState.SYNCING
    assert source_state(home, task) == SourceState.CUTOVERING
    monkeypatch.undo()
    act(home, task_id, Action.STOP)
    driver.turn()
    answer(home, task_id, "STOP")
    driver.turn()
    assert now(home, task_id).state is TaskState.ABORT
    assert machines.layered == set()


def test_downtime_counts_from_the_cut(home):
    driver, task_id = synchronizing(home, Machines())
    task = cut_over(home, driver, task_id)
    assert task.state is TaskState.SYNC_SUCCESS
    assert task.launch is not None
    assert task.launch.cut_at == CUT_AT


@pytest.mark.parametrize("says", [UP, PANIC])
def test_rollback_leaves_what_the_target_was_before_it_was_cut_over(home, says):
    machines = Machines(says)
    driver, task_id = synchronizing(home, machines)
    cut_over(home, driver, task_id)
    act(home, task_id, Action.SYNC_FAILED_ROLLBACK)
    driver.turn()
    task = now(home, task_id)
    assert (task.state, task.error, task.active) == (TaskState.ABORT, "", False)
    assert machines.on == machines.layered == set()
    act(home, task_id, Action.START)
    driver.turn()
    assert driver.receivers.open == {task_id}


def test_trial_waits_for_its_moment_and_is_thrown_away_on_command(home):
    machines = Machines()
    driver, task_id = synchronizing(home, machines)
    act(home, task_id, Action.CLONE_TEST)
    driver.turn()
    task = now(home, task_id)
    assert held(task) == (1, 0)
    assert source_state(home, task) == SourceState.CLONING
    assert machines.calls == []
    tell(home, task_id, 1)
    driver.turn()
    task = now(home, task_id)
    clone = trials.clone_id(task_id)
    assert machines.calls == [f"clone {task_id}", f"layer {clone}", f"boot {clone}"]
    assert task.state is TaskState.SYNCING
    assert held(task) == (1, 1)
    assert source_state(home, task) == SourceState.SYNCING
    assert task.trial is not None
    assert (task.trial.state, task.trial.outcome) == (LaunchState.DONE, Outcome.UP)
    assert task.trial.cut_at == CUT_AT
    assert _clone(task).clone_state == "FINISHED"
    act(home, task_id, Action.CLEAR)
    driver.turn()
    assert now(home, task_id).trial is None
    assert clone not in machines.on


def test_trial_of_an_older_task_can_be_thrown_away(home):
    machines = Machines()
    driver, task_id = copied(home, machines, start_target_server=False)
    act(home, task_id, Action.TEST)
    driver.turn()
    newer = new_task(home, now(home, task_id).source_id)
    with pytest.raises(TaskSuperseded):
        act(home, task_id, Action.TEST)
    act(home, task_id, Action.CLEAR)
    driver.turn()
    assert now(home, task_id).trial is None
    assert machines.clones == set()
    assert now(home, newer.id).state is TaskState.READY


def test_trial_that_waits_for_an_agent_that_is_away_says_so(home):
    driver, task_id = synchronizing(home, Machines())
    act(home, task_id, Action.TEST)
    source_id = now(home, task_id).source_id
    for connected, why in ((True, ""), (False, "the source's agent is not connected"), (True, "")):
        with home.database.write() as db:
            sources.update(db, source_id, {"connected": connected})
        driver.turn()
        trial = now(home, task_id).trial
        assert (trial.state, trial.why) == (LaunchState.WANTED, why)


def test_trial_that_does_not_come_up_is_no_failure_of_the_task(home):
    machines = Machines(PANIC)
    driver, task_id = synchronizing(home, machines)
    act(home, task_id, Action.TEST)
    tell(home, task_id, 1)
    driver.turn()
    task = now(home, task_id)
    assert task.state is TaskState.SYNCING
    assert task.trial is not None
    assert task.trial.outcome == Outcome.FAILED


def test_drill_shows_what_came_of_it_until_it_is_thrown_away(home):
    machines = Machines(PANIC)
    driver, task_id = synchronizing(home, machines)
    for says, comes_to in ((PANIC, SourceState.PREMIGFAILED), (UP, SourceState.PREMIGED)):
        machines.says = says
        act(home, task_id, Action.MIGRATION_TEST)
        driver.turn()
        task = now(home, task_id)
        assert source_state(home, task) == SourceState.PREMIGING
        tell(home, task_id, task.run.points_wanted)
        driver.turn()
        task = now(home, task_id)
        assert (task.state, task.trial.state) == (TaskState.SYNCING, LaunchState.DONE)
        assert source_state(home, task) == comes_to
    task = act(home, task_id, Action.CLEAR)
    assert source_state(home, task) == SourceState.CLEARING
    driver.turn()
    assert source_state(home, now(home, task_id)) == SourceState.SYNCING


def test_drill_that_is_needed_is_due_until_one_came_up(home):
    machines = Machines(PANIC)
    driver, task_id = synchronizing(home, machines, need_migration_test=True)
    for says, comes_to in ((PANIC, SourceState.PREMIGREADY), (UP, SourceState.SYNCING)):
        assert source_state(home, now(home, task_id)) == SourceState.PREMIGREADY
        machines.says = says
        task = act(home, task_id, Action.MIGRATION_TEST)
        tell(home, task_id, task.run.points_wanted)
        driver.turn()
        act(home, task_id, Action.CLEAR)
        driver.turn()
        assert source_state(home, now(home, task_id)) == comes_to


def test_test_is_no_drill(home):
    driver, task_id = synchronizing(home, Machines(), need_migration_test=True)
    act(home, task_id, Action.CLONE_TEST)
    assert source_state(home, now(home, task_id)) == SourceState.CLONING
    tell(home, task_id, 1)
    driver.turn()
    assert source_state(home, now(home, task_id)) == SourceState.PREMIGREADY


def test_copy_is_as_large_as_is_wished(home):
    machines = Machines()
    driver, task_id = copied(home, machines, start_target_server=False)
    with home.database.write() as db:
        tasks.act(db, _get(db, task_id), Action.TEST, wishes=Wishes(cpus=3, memory=5 << 30))
    driver.turn()
    assert machines.sizes == [MachineSize(cpus=3, memory=5 << 30)]


def test_trial_that_cannot_be_had_says_why_and_lets_the_agent_go_on(home):
    machines = Machines()
    machines.clone_failure = CannotClone("some")
    driver, task_id = synchronizing(home, machines)
    act(home, task_id, Action.TEST)
    tell(home, task_id, 1)
    driver.turn()
    task = now(home, task_id)
    assert held(task) == (1, 1)
    clone = _clone(task)
    assert (clone.clone_state, clone.clone_error) == ("ERROR", "REHOST.4107")
    machines.clone_failure = None
    act(home, task_id, Action.TEST)
    tell(home, task_id, 2)
    driver.turn()
    assert now(home, task_id).trial.outcome == Outcome.UP


def test_copy_that_was_written_meanwhile_is_no_trial(home, tmp_path):
    machines = Machines()
    driver, task_id = synchronizing(home, machines)
    act(home, task_id, Action.TEST)
    tell(home, task_id, 1)
    image = tmp_path / "disk"
    with home.database.write() as db:
        task = _get(db, task_id)
        disks = tuple(replace(disk, path=image) for disk in task.server.disks)
        tasks.save(db, task, replace(task, server=replace(task.server, disks=disks)))
    time.sleep(0.01)
    image.touch()
    driver.turn()
    assert "REHOST.4108" in now(home, task_id).trial.error


@pytest.mark.parametrize("action", [Action.CUTOVER, Action.STOP])
def test_trial_that_still_waits_ends_when_something_comes_between(home, action):
    driver, task_id = synchronizing(home, Machines())
    act(home, task_id, Action.TEST)
    driver.turn()
    task = act(home, task_id, action)
    assert task.trial.state is LaunchState.FAILED
    assert "REHOST.4110" in task.trial.error


def test_trial_of_a_finished_task_needs_no_agent(home):
    machines = Machines()
    driver, task_id = copied(home, machines, start_target_server=False)
    act(home, task_id, Action.TEST)
    driver.turn()
    task = now(home, task_id)
    assert task.trial.outcome == Outcome.UP
    assert task.trial.cut_at == task.launch.cut_at
    assert (task.state, task.active) == (TaskState.MIGRATE_SUCCESS, False)


def test_deleting_a_task_removes_its_copy_and_what_was_kept(home):
    machines = Machines()
    driver, task_id = copied(home, machines, start_target_server=False)
    act(home, task_id, Action.TEST)
    driver.turn()
    with home.database.write() as db:
        tasks.delete(db, now(home, task_id))
    driver.turn()
    assert machines.deleted[trials.clone_id(task_id)] >= 1
    assert machines.deleted[task_id] == 0
    assert not (home.data / "launches" / task_id).exists()


def test_nothing_can_be_tried_before_it_is_kept_in_step(home):
    task = new_task(home, new_source(home))
    with pytest.raises(TaskRefuses):
        act(home, task.id, Action.CLONE_TEST)


def test_another_runner_goes_on_with_a_start_that_was_cut_off(home, monkeypatch):
    machines = Machines()
    monkeypatch.setattr(Starts, "_started", _killed)
    first, task_id = copied(home, machines)
    monkeypatch.undo()
    assert now(home, task_id).state is TaskState.RUNNING
    first._leave()
    NotedRunner(home, machines).turn()
    task = now(home, task_id)
    assert task.state is TaskState.MIGRATE_SUCCESS
    assert machines.calls == [f"layer {task_id}", f"boot {task_id}"]


def _killed(*_):
    return None
