"""Tasks in the database. Each function is part of its caller's transaction.

Who writes holds the database's write lock, so that what it read stays true until it is done.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import msgspec
import sqlalchemy as sa

from rehost.control.clock import now_ms
from rehost.control.store.schema import consistency_results, discards, task_counts, tasks
from rehost.control.task_record import Configuration, Launch, Log, NetworkCheck, Run, Settings, Task
from rehost.model.server import OsType
from rehost.model.speed import SpeedRow
from rehost.model.task import TaskState, TaskType
from rehost.providers.base import TargetServer
from rehost.stages.task import FINISHED

# Columns that hold JSON, and of what.
JSON: dict[str, Any] = {
    "settings": Settings,
    "run": Run,
    "speed_limits": tuple[SpeedRow, ...],
    "configurations": tuple[Configuration, ...],
    "network_check": NetworkCheck | None,
    "log": Log,
    "server": TargetServer | None,
    "launch": Launch | None,
    "trial": Launch | None,
}
PLAIN = tuple(f.name for f in fields(Task) if f.name not in JSON)
ENUMS: dict[str, Any] = {"type": TaskType, "os_type": OsType, "state": TaskState}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Of ListTasks; None does not filter. `name` matches any part of the name."""

    state: str | None = None
    name: str | None = None
    id: str | None = None
    source_id: str | None = None
    enterprise_project_id: str | None = None


def insert(db: sa.Connection, task: Task) -> None:
    """Store a new task; it becomes the current one of its source."""
    older = sa.update(tasks).where(tasks.c.source_id == task.source_id, tasks.c.current)
    db.execute(older.values(current=False))
    db.execute(sa.insert(tasks).values(**_values(task), lease_until=0))
    _count(db, task.project_id, task.state, 1)


def save(db: sa.Connection, before: Task, after: Task) -> None:
    """Store what has changed of a task."""
    old, new = _values(before), _values(after)
    changes = {name: value for name, value in new.items() if old[name] != value}
    if changes:
        db.execute(sa.update(tasks).where(tasks.c.id == after.id).values(**changes))
    if before.state is not after.state:
        _count(db, after.project_id, before.state, -1)
        _count(db, after.project_id, after.state, 1)


def get(db: sa.Connection, task_id: str) -> Task | None:
    row = db.execute(sa.select(tasks).where(tasks.c.id == task_id)).one_or_none()
    return _task(row) if row is not None else None


def current(db: sa.Connection, source_id: str) -> Task | None:
    """The newest task of a source."""
    query = sa.select(tasks).where(tasks.c.source_id == source_id, tasks.c.current)
    row = db.execute(query).one_or_none()
    return _task(row) if row is not None else None


def of_source(db: sa.Connection, source_id: str) -> Sequence[Task]:
    """All tasks that a source ever had and that were not deleted, oldest first."""
    query = sa.select(tasks).where(tasks.c.source_id == source_id).order_by(tasks.c.number)
    return [_task(row) for row in db.execute(query)]


def delete(db: sa.Connection, task: Task) -> None:
    """Delete a task. What it has on disks is left to the runner, and noted for it.

    The target stays if the migration ever succeeded: it is somebody's server.
    """
    lease = db.execute(
        sa.select(tasks.c.lease_owner, tasks.c.lease_until).where(tasks.c.id == task.id)
    ).one()
    db.execute(sa.delete(tasks).where(tasks.c.id == task.id))
    _count(db, task.project_id, task.state, -1)
    kept, server_id = task.run.migrated, _server_id(task)
    db.execute(
        sa.insert(discards).values(
            task_id=task.id,
            server_id=None if kept else server_id,
            kept_server_id=server_id if kept and _is_to_come_down(task) else None,
            node=task.node,
            lease_owner=lease.lease_owner,
            lease_until=lease.lease_until,
        )
    )


def page(
    db: sa.Connection, projects: Iterable[str], filters: Filters, *, limit: int, offset: int
) -> Sequence[Task]:
    """One page, newest first."""
    query = (
        sa.select(tasks)
        .where(*_matching(projects, filters))
        .order_by(tasks.c.number.desc())
        .limit(limit)
        .offset(offset)
    )
    return [_task(row) for row in db.execute(query)]


def count(db: sa.Connection, projects: Iterable[str], filters: Filters) -> int:
    """How many there are, whatever the page; by state alone, that is kept, not counted."""
    if filters == Filters(state=filters.state):
        kept = sa.select(sa.func.coalesce(sa.func.sum(task_counts.c.tasks), 0)).where(
            task_counts.c.project_id.in_(list(projects))
        )
        if filters.state is not None:
            kept = kept.where(task_counts.c.state == filters.state)
        return int(db.execute(kept).scalar_one())
    query = sa.select(sa.func.count()).select_from(tasks).where(*_matching(projects, filters))
    return int(db.execute(query).scalar_one())


def add_consistency_result(db: sa.Connection, task_id: str, result: str) -> None:
    """In place of older ones, which nobody asks for: an agent must not be able to fill the disk."""
    of_task = consistency_results.c.task_id == task_id
    db.execute(sa.delete(consistency_results).where(of_task))
    db.execute(sa.insert(consistency_results).values(task_id=task_id, at=now_ms(), result=result))


def consistency_result(db: sa.Connection, task_id: str) -> sa.Row[Any] | None:
    """The result of a task's last consistency check; earlier versions kept older ones, too."""
    query = (
        sa.select(consistency_results)
        .where(consistency_results.c.task_id == task_id)
        .order_by(consistency_results.c.number.desc())
        .limit(1)
    )
    return db.execute(query).one_or_none()


def _server_id(task: Task) -> str:
    """Targets are named after their tasks: also one that was only begun."""
    return task.server.id if task.server is not None else task.id


def _is_to_come_down(task: Task) -> bool:
    """Whether the target is to be turned off and to lose its layer, and that is not done yet."""
    return task.state not in FINISHED and task.launch is not None and task.launch.stands


def _count(db: sa.Connection, project_id: str, state: str, change: int) -> None:
    statement = """
        INSERT INTO task_counts (project_id, state, tasks) VALUES (:project, :state, :change)
        ON CONFLICT (project_id, state) DO UPDATE SET tasks = task_counts.tasks + excluded.tasks
    """
    values = {"project": project_id, "state": str(state), "change": change}
    db.execute(sa.text(statement), values)


def _matching(projects: Iterable[str], filters: Filters) -> list[sa.ColumnElement[bool]]:
    c = tasks.c
    wanted: list[sa.ColumnElement[bool]] = [c.project_id.in_(list(projects))]
    if filters.name is not None:
        wanted.append(c.name.icontains(filters.name, autoescape=True))
    exact = {
        c.state: filters.state,
        c.id: filters.id,
        c.source_id: filters.source_id,
        c.enterprise_project_id: filters.enterprise_project_id,
    }
    wanted += [column == value for column, value in exact.items() if value is not None]
    return wanted


def _values(task: Task) -> dict[str, Any]:
    values = {name: getattr(task, name) for name in PLAIN}
    return values | {name: _encode(getattr(task, name)) for name in JSON}


def _task(row: sa.Row[Any]) -> Task:
    plain = {name: getattr(row, name) for name in PLAIN}
    named = {name: kind(plain[name]) for name, kind in ENUMS.items()}
    parts = {name: _decode(getattr(row, name), kind) for name, kind in JSON.items()}
    return Task(**plain | named | parts)


def _encode(value: object) -> str:
    return msgspec.json.encode(value, enc_hook=os.fspath).decode()


def _decode(text: str, kind: Any) -> Any:  # noqa: ANN401 - a type, and a value of it
    return msgspec.json.decode(text, type=kind, dec_hook=lambda wanted, path: wanted(path))
