"""What happens to tasks, in their database: their sources and commands follow."""

import json
from typing import Any

import pytest
import sqlalchemy as sa

from rehost.control import destination, tasks
from rehost.control.store import commands, sources
from rehost.control.store.schema import commands as queue
from rehost.control.task_record import Task
from rehost.model.source import SourceState
from rehost.model.task import LogCollectStatus, TaskState
from rehost.stages.task import Action, Command
from tests.unit.identities import House, house
from tests.unit.tasks import NotedProvider, NotedRunner, new_source, new_task, stored


@pytest.fixture
def home(tmp_path, database_url):
    with house(tmp_path, database_url) as opened:
        yield opened


def act(home: House, task: Task, action: Action, **more: Any) -> None:
    with home.database.write() as db:
        tasks.act(db, stored(home, task.id), action, **more)


def answer(home: House, task: Task, command: Command, *, success: bool = True) -> None:
    """As the agent of a task that has it."""
    with home.database.write() as db:
        commands.withdraw(db, task.source_id, command)
        tasks.answered(db, stored(home, task.id), command, success=success, error="{}")


def migrated(home: House, **settings: Any) -> Task:
    task = new_task(home, new_source(home), start_target_server=False, **settings)
    act(home, task, Action.START)
    runner = NotedRunner(home, NotedProvider())
    runner.turn()
    answer(home, task, Command.START)
    runner.turn()
    assert stored(home, task.id).state is TaskState.MIGRATE_SUCCESS
    return task


def test_the_logs_of_two_tasks_of_a_source_are_asked_for(home):
    older = migrated(home)
    newer = new_task(home, older.source_id)
    for task in (older, newer):
        act(home, task, Action.COLLECT_LOG)
    assert asked_for(home) == [older.id, newer.id]
    with home.database.write() as db:
        tasks.delete(db, stored(home, newer.id))
    assert asked_for(home) == [older.id]
    assert stored(home, older.id).log.status is LogCollectStatus.UPLOADING


def asked_for(home: House) -> list[str]:
    """The tasks of the commands that wait, in their order."""
    query = sa.select(queue.c.param).where(queue.c.finished_at.is_(None)).order_by(queue.c.id)
    with home.database.read() as db:
        return [json.loads(param)["task_id"] for param in db.execute(query).scalars()]


def test_a_source_whose_task_is_deleted_stands_as_if_it_had_none(home):
    task = migrated(home)
    act(home, task, Action.SYNC)
    answer(home, task, Command.SYNC, success=False)
    assert source_state(home, task) == SourceState.ERROR
    with home.database.write() as db:
        tasks.delete(db, stored(home, task.id))
    assert source_state(home, task) == SourceState.WAITING


def test_a_source_that_was_migrated_is_finished_though_its_task_is_deleted(home):
    task = migrated(home)
    with home.database.write() as db:
        tasks.delete(db, stored(home, task.id))
    assert source_state(home, task) == SourceState.FINISHED


def source_state(home: House, task: Task) -> str:
    with home.database.read() as db:
        return str(sources.place(db, task.source_id).state)


def test_a_cutover_that_is_under_way_needs_no_other_command(home):
    task = migrated(home)
    act(home, task, Action.SYNC)
    answer(home, task, Command.SYNC)
    assert tasks.is_cutting_over(stored(home, task.id))
    act(home, task, Action.CUTOVER)
    assert stored(home, task.id).state is TaskState.SYNCING
    assert asked_for(home) == []


def test_what_was_compared_for_an_earlier_task_is_none_of_the_next(home):
    task = migrated(home)
    with home.database.write() as db:
        sources.update(db, task.source_id, {"has_consistency_result": True})
    new_task(home, task.source_id)
    with home.database.read() as db:
        assert not sources.place(db, task.source_id).has_consistency_result


@pytest.mark.parametrize(
    ("address", "host"),
    [("192.0.2.7", "192.0.2.7"), ("the new one", "service"), ("::1", "service")],
)
def test_an_address_that_an_earlier_version_took_is_no_place_to_send_to(home, address, host):
    task = new_task(home, new_source(home), migration_ip=address)
    assert destination.host(task, "service") == host
