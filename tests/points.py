"""Consistent points, asked for and taken the way the runner does, in the database of a service."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from rehost.control import tasks
from rehost.control.store import tasks as table
from rehost.control.store.database import Database
from rehost.control.task_record import Run, Task
from tests.compat.conftest import Service


def ask_for_point(service: Service, task_id: str) -> int:
    """Its number."""
    _change(service, task_id, lambda run: replace(run, points_wanted=run.points_wanted + 1))
    return stored(service, task_id).run.points_wanted


def have_taken(service: Service, task_id: str) -> None:
    _change(service, task_id, lambda run: replace(run, points_taken=run.points_wanted))


def stored(service: Service, task_id: str) -> Task:
    with database_of(service) as database, database.read() as db:
        task = table.get(db, task_id)
    assert task is not None
    return task


def _change(service: Service, task_id: str, change: Callable[[Run], Run]) -> None:
    with database_of(service) as database, database.write() as db:
        task = table.get(db, task_id)
        assert task is not None
        tasks.save(db, task, replace(task, run=change(task.run)))


@contextmanager
def database_of(service: Service) -> Iterator[Database]:
    database = Database(service.database or f"sqlite:///{service.data / 'rehost.db'}")
    try:
        yield database
    finally:
        database.close()
