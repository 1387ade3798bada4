import json
import os
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from rehost.control import runner as module
from rehost.control import starting, tasks, trials
from rehost.control.errands import Errands
from rehost.control.node import Presence
from rehost.control.store import commands, leases, sources
from rehost.control.store import tasks as table
from rehost.control.store.schema import tasks as rows
from rehost.errors import DatabaseUnavailable, Error
from rehost.model.task import TaskState
from rehost.stages.task import Action
from tests.unit.identities import house
from tests.unit.tasks import NotedProvider, NotedRunner, new_source, new_task, stored

RUNNERS = 3
TASKS = 6


@pytest.fixture
def home(tmp_path, database_url):
    with house(tmp_path, database_url) as made:
        yield made


def started(home, **settings):
    task = new_task(home, new_source(home), **settings)
    return act(home, task.id, Action.START)


def act(home, task_id, action):
    with home.database.write() as db:
        task = table.get(db, task_id)
        assert task is not None
        return tasks.act(db, task, action)


def answer(home, task_id, command, success=True):
    with home.database.write() as db:
        task = table.get(db, task_id)
        assert task is not None
        commands.withdraw(db, task.source_id, command)
        return tasks.answered(db, task, command, success=success, error="{}")


def test_each_task_is_driven_by_one_of_several_runners(home):
    provider = NotedProvider()
    runners = [NotedRunner(home, provider) for _ in range(RUNNERS)]
    ids = [started(home).id for _ in range(TASKS)]
    begin = threading.Barrier(RUNNERS)

    def drive(one: NotedRunner) -> None:
        begin.wait()
        for _ in range(5):
            one.turn()

    threads = [threading.Thread(target=drive, args=(one,)) for one in runners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert dict(provider.created) == dict.fromkeys(ids, 1)
    opened = [one.receivers.opened for one in runners]
    assert {task_id: sum(o[task_id] for o in opened) for task_id in ids} == dict.fromkeys(ids, 1)
    assert {stored(home, task_id).receiver_port for task_id in ids} == {4711}
    for one in runners:
        one._leave()


def test_a_runner_that_died_is_relieved_at_once(home):
    provider = NotedProvider()
    first, second = NotedRunner(home, provider), NotedRunner(home, provider)
    task_id = started(home).id
    first.turn()
    second.turn()
    assert second.receivers.open == set()
    os.close(first._presence._lock)
    second._renewed = 0.0
    second.turn()
    assert second.receivers.open == {task_id}
    assert provider.created == {task_id: 1}


def test_a_runner_that_stalled_lets_go(home, monkeypatch):
    provider = NotedProvider()
    first, second = NotedRunner(home, provider), NotedRunner(home, provider)
    task_id = started(home).id
    monkeypatch.setattr(module, "LEASE_S", -1)
    first.turn()
    monkeypatch.setattr(module, "LEASE_S", 20)
    second.turn()
    assert second.receivers.open == {task_id}
    first._change(task_id, lambda task: pytest.fail("it holds no lease"))
    first._renewed = 0.0
    first.turn()
    assert first.receivers.open == set()
    assert second.receivers.open == {task_id}


def test_a_runner_without_its_database_is_cut_off_once_its_leases_lapse(home, monkeypatch):
    runner = NotedRunner(home, NotedProvider())
    started(home)
    runner.turn()
    assert not runner._is_cut_off()

    def gone(*_, **__):
        raise DatabaseUnavailable("gone")

    runner._renewed -= module.LEASE_S + 1
    with monkeypatch.context() as without:
        without.setattr(leases, "renew", gone)
        with pytest.raises(DatabaseUnavailable):
            runner.turn()
    assert runner._is_cut_off()
    runner.turn()
    assert not runner._is_cut_off()


def test_a_runner_that_ends_keeps_what_it_is_still_at_until_its_process_ends(home, monkeypatch):
    provider = NotedProvider()
    first, second = NotedRunner(home, provider), NotedRunner(home, provider)
    busy, idle = started(home).id, started(home).id
    first.turn()
    over = threading.Event()
    first._errands.__class__ = Errands
    first._errands.turn(starting.owner(busy), "x", lambda _: over.wait(10))
    monkeypatch.setattr(module, "RENEW_S", 0.01)
    monkeypatch.setattr(module, "END_S", 0.1)
    with home.database.write() as db:
        db.execute(sa.update(rows).values(lease_until=0))
    first._leave()
    second._renewed = 0.0
    second.turn()
    assert second.receivers.open == {idle}
    os.close(first._presence._lock)
    second._renewed = 0.0
    second.turn()
    assert second.receivers.open == {idle, busy}
    over.set()


def test_a_target_on_another_machine_is_left_to_it(home, tmp_path):
    provider = NotedProvider()
    first = NotedRunner(home, provider)
    task_id = started(home).id
    first.turn()
    first._leave()
    elsewhere = NotedRunner(home, provider)
    elsewhere._presence = Presence(_folder(tmp_path / "elsewhere"))
    elsewhere._holder = elsewhere._presence.holder
    elsewhere.turn()
    assert elsewhere.receivers.open == set()
    again = NotedRunner(home, provider)
    again.turn()
    assert again.receivers.open == {task_id}


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_what_may_heal_is_tried_again_and_says_so(home):
    provider = NotedProvider()
    runner = NotedRunner(home, provider)
    provider.failure = Healing()
    task_id = started(home).id
    runner.turn()
    task = stored(home, task_id)
    assert task.state is TaskState.RUNNING
    assert "no space" in task.run.phase("CREATE_CLOUD_SERVER").process_trace
    provider.failure = None
    runner.turn()
    assert provider.created == {}  # not yet: it waits a moment
    runner._retries[task_id].at = 0.0
    runner.turn()
    assert provider.created == {task_id: 1}
    assert stored(home, task_id).run.phase("CREATE_CLOUD_SERVER").process_trace == ""


class Healing(Error):
    """For a test: something that may heal."""

    code = "REHOST.0000"
    retryable = True

    def __init__(self) -> None:
        super().__init__("no space left")


def test_a_bug_fails_its_task_alone(home):
    provider = NotedProvider()
    runner = NotedRunner(home, provider)
    provider.failure = RuntimeError("bug")
    broken = started(home).id
    runner.turn()
    provider.failure = None
    fine = started(home).id
    runner.turn()
    assert stored(home, broken).state is TaskState.MIGRATE_FAIL
    assert json.loads(stored(home, broken).error)["error_code"] == "SMS.2007"
    assert stored(home, fine).receiver_port == 4711


def test_a_finished_task_needs_nobody(home):
    provider = NotedProvider()
    runner = NotedRunner(home, provider)
    task_id = started(home).id
    runner.turn()
    answer(home, task_id, "START")
    runner.turn()
    assert stored(home, task_id).state is TaskState.MIGRATE_SUCCESS
    runner.turn()
    task = stored(home, task_id)
    assert (task.active, task.receiver_port, task.run.migrated) == (False, None, True)
    assert runner.receivers.open == set()
    assert runner._held == frozenset()


def test_an_agent_that_is_gone_cannot_keep_a_task_from_stopping(home):
    runner = NotedRunner(home, NotedProvider())
    task = started(home)
    runner.turn()
    act(home, task.id, Action.STOP)
    runner.turn()
    assert stored(home, task.id).state is TaskState.ABORTING
    with home.database.write() as db:
        sources.update(db, task.source_id, {"connected": False})
    runner.turn()
    assert stored(home, task.id).state is TaskState.ABORT
    assert stored(home, task.id).finish_date is not None
    act(home, task.id, Action.START)
    assert stored(home, task.id).finish_date is None


def test_what_a_deleted_task_left_is_removed_once_its_receiver_is_gone(home):
    provider = NotedProvider()
    runner, other = NotedRunner(home, provider), NotedRunner(home, provider)
    task = started(home)
    runner.turn()
    act(home, task.id, Action.STOP)
    answer(home, task.id, "STOP")
    with home.database.write() as db:
        tasks.delete(db, stored(home, task.id))
    other.turn()
    assert provider.deleted == {}  # the first one has its receiver
    runner.turn()
    assert provider.deleted == {task.id: 1, trials.clone_id(task.id): 1}
    assert runner.receivers.open == set()
    runner.turn()
    other.turn()
    assert provider.deleted == {task.id: 1, trials.clone_id(task.id): 1}


def test_what_there_is_of_a_target_that_could_not_be_made_is_removed_where_it_is(home, tmp_path):
    provider = NotedProvider()
    runner = NotedRunner(home, provider)
    provider.failure = RuntimeError("half-way")
    task = started(home)
    runner.turn()
    runner._leave()
    assert stored(home, task.id).server is None
    with home.database.write() as db:
        tasks.delete(db, stored(home, task.id))
    elsewhere = NotedRunner(home, provider)
    elsewhere._presence = Presence(_folder(tmp_path / "elsewhere"))
    elsewhere._holder = elsewhere._presence.holder
    elsewhere.turn()
    assert provider.deleted == {}
    NotedRunner(home, provider).turn()
    assert provider.deleted == {task.id: 1, trials.clone_id(task.id): 1}
