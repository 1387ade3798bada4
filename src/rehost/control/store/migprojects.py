"""Migration projects: how the sources of a project are to be migrated, unless a task says else.

Each function is part of its caller's transaction. Every project that was ever asked for one has
exactly one default; an index of the database refuses a second.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from rehost.control.store.schema import migprojects, projects, sources
from rehost.errors import (
    InvalidRequest,
    MigprojectIsDefault,
    MigprojectNotEmpty,
    MigprojectNotFound,
    NameTaken,
)
from rehost.model.task import TaskType

DEFAULT_NAME = "default"
RowOfMigproject = sa.Row[Any]
Values = Mapping[str, Any]


def ensure_default(db: sa.Connection, project_id: str, *, region: str) -> str:
    """The id of the project's default, made now if there is none; older sources join it."""
    if (found := default_of(db, project_id)) is not None:
        return found
    _lock(db, project_id)
    if (found := default_of(db, project_id)) is not None:
        return found
    made = _insert(
        db,
        project_id,
        {
            "name": DEFAULT_NAME,
            "description": "",
            "isdefault": True,
            "region": region,
            "start_target_server": True,
            "speed_limit": 0,
            "use_public_ip": True,
            "exist_server": True,
            "type": TaskType.MIGRATE_BLOCK,
            "enterprise_project": "",
            "syncing": False,
            "start_network_check": False,
        },
    )
    # Without a default there was no other either, so whatever the sources say names nothing.
    mine = sa.update(sources).where(sources.c.project_id == project_id)
    db.execute(mine.values(migproject=made))
    return made


def default_of(db: sa.Connection, project_id: str) -> str | None:
    query = sa.select(migprojects.c.id).where(
        migprojects.c.project_id == project_id, migprojects.c.isdefault
    )
    return db.execute(query).scalar_one_or_none()


def create(db: sa.Connection, project_id: str, values: Values, *, region: str) -> str:
    """Store a new one, as the default if it says so; returns its id. Raises NameTaken."""
    ensure_default(db, project_id, region=region)
    _lock(db, project_id)
    _refuse_taken(db, project_id, values["name"])
    if values["isdefault"]:
        _no_default(db, project_id)
    return _insert(db, project_id, values)


def update(db: sa.Connection, row: RowOfMigproject, values: Values) -> None:
    """Change what is given. Raises NameTaken, and InvalidRequest if no default would be left."""
    _lock(db, row.project_id)
    if "name" in values and values["name"] != row.name:
        _refuse_taken(db, row.project_id, values["name"])
    is_default = row.id == default_of(db, row.project_id)
    if is_default and values.get("isdefault") is False:
        raise InvalidRequest(
            "body field isdefault: there is always one default; make another one the default"
        )
    if values.get("isdefault"):
        _no_default(db, row.project_id)
    if values:
        db.execute(sa.update(migprojects).where(migprojects.c.id == row.id).values(**values))


def delete(db: sa.Connection, row: RowOfMigproject) -> None:
    """Raise MigprojectIsDefault, or MigprojectNotEmpty if sources belong to it."""
    _lock(db, row.project_id)
    if row.id == default_of(db, row.project_id):
        raise MigprojectIsDefault(row.id)
    if count := _sources(db, row):
        raise MigprojectNotEmpty(row.id, count)
    db.execute(sa.delete(migprojects).where(migprojects.c.id == row.id))


def visible(db: sa.Connection, of: Iterable[str], migproject_id: str) -> RowOfMigproject:
    """The stored one; MigprojectNotFound also for another project's, whose ids are not told."""
    query = sa.select(migprojects).where(
        migprojects.c.id == migproject_id, migprojects.c.project_id.in_(list(of))
    )
    row = db.execute(query).one_or_none()
    if row is None:
        raise MigprojectNotFound(migproject_id)
    return row


def require_for_source(db: sa.Connection, project_id: str, migproject_id: str) -> None:
    """Raise InvalidRequest, naming the field, unless a source of the project may belong to it."""
    _lock(db, project_id)
    try:
        visible(db, (project_id,), migproject_id)
    except MigprojectNotFound as e:
        raise InvalidRequest(f"body field migprojectid: {e}") from e


def page(
    db: sa.Connection, of: Iterable[str], *, limit: int, offset: int
) -> Sequence[RowOfMigproject]:
    """One page, the defaults first, then by name."""
    query = (
        sa.select(migprojects)
        .where(migprojects.c.project_id.in_(list(of)))
        .order_by(migprojects.c.isdefault.desc(), migprojects.c.name, migprojects.c.id)
    )
    return db.execute(query.limit(limit).offset(offset)).all()


def count(db: sa.Connection, of: Iterable[str]) -> int:
    mine = migprojects.c.project_id.in_(list(of))
    query = sa.select(sa.func.count()).select_from(migprojects).where(mine)
    return int(db.execute(query).scalar_one())


def _lock(db: sa.Connection, project_id: str) -> None:
    """Let nobody else change this project's until the transaction ends.

    SQLite's write transactions are alone anyway, and it leaves FOR UPDATE out.
    """
    db.execute(sa.select(projects.c.id).where(projects.c.id == project_id).with_for_update())


def _insert(db: sa.Connection, project_id: str, values: Values) -> str:
    migproject_id = str(uuid.uuid4())
    row = {"id": migproject_id, "project_id": project_id, **values}
    db.execute(sa.insert(migprojects).values(row))
    return migproject_id


def _no_default(db: sa.Connection, project_id: str) -> None:
    """For a moment, in a transaction that sets another one."""
    mine = sa.update(migprojects).where(migprojects.c.project_id == project_id)
    db.execute(mine.values(isdefault=False))


def _refuse_taken(db: sa.Connection, project_id: str, name: str) -> None:
    query = sa.select(migprojects.c.id).where(
        migprojects.c.project_id == project_id, migprojects.c.name == name
    )
    if db.execute(query).first() is not None:
        raise NameTaken("migration project", name)


def _sources(db: sa.Connection, row: RowOfMigproject) -> int:
    query = sa.select(sa.func.count()).where(
        sources.c.project_id == row.project_id, sources.c.migproject == row.id
    )
    return int(db.execute(query).scalar_one())
