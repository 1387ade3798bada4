"""Sources in the database. Each function is part of its caller's transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from rehost.control.store.schema import heartbeats, sources
from rehost.model.source import SourceState

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Of ListServers; None does not filter. `name` matches any part of the name.

    `failed`: only sources that cannot go on, being unfit to migrate or with an error.
    """

    state: str | None = None
    name: str | None = None
    id: str | None = None
    ip: str | None = None
    ipv6: str | None = None
    migproject: str | None = None
    migration_cycle: str | None = None
    connected: bool | None = None
    enterprise_project_id: str | None = None
    is_consistency_result_exist: bool | None = None
    vm_id: str | None = None
    failed: bool = False


def insert(db: sa.Connection, values: Values) -> int:
    """Store a new source; returns its number."""
    key = db.execute(sa.insert(sources).values(**values)).inserted_primary_key
    assert key is not None  # noqa: S101 - of an insert of one row it never is
    return int(key[0])


def update(db: sa.Connection, source_id: str, values: Values) -> None:
    db.execute(sa.update(sources).where(sources.c.id == source_id).values(**values))


def get(db: sa.Connection, source_id: str) -> sa.Row[Any] | None:
    return db.execute(sa.select(sources).where(sources.c.id == source_id)).one_or_none()


def some(db: sa.Connection, source_ids: Iterable[str]) -> Sequence[sa.Row[Any]]:
    return db.execute(sa.select(sources).where(sources.c.id.in_(list(source_ids)))).all()


def place(db: sa.Connection, source_id: str) -> Any:  # noqa: ANN401 - a row of few columns
    """Where a source stands, without the documents."""
    c = sources.c
    query = sa.select(
        c.state, c.migration_cycle, c.connected, c.has_consistency_result, c.target_vm_id
    )
    return db.execute(query.where(c.id == source_id)).one()


def same_key(db: sa.Connection, identity_key: str) -> Sequence[sa.Row[Any]]:
    """Sources that may be the machine with this identity key."""
    return db.execute(sa.select(sources).where(sources.c.identity_key == identity_key)).all()


def delete(db: sa.Connection, source_ids: Iterable[str]) -> None:
    """Delete sources with all that hangs on them; what is gone is not an error."""
    db.execute(sa.delete(sources).where(sources.c.id.in_(list(source_ids))))


def page(
    db: sa.Connection, projects: Iterable[str], filters: Filters, *, limit: int, offset: int
) -> Sequence[sa.Row[Any]]:
    """One page, newest first."""
    wanted = _matching(projects, filters)
    # The index alone finds the page, however far; only its rows are then read.
    numbers = (
        sa.select(sources.c.number)
        .where(*wanted)
        .order_by(sources.c.number.desc())
        .limit(limit)
        .offset(offset)
    )
    query = (
        sa.select(sources)
        .where(sources.c.number.in_(numbers.scalar_subquery()))
        .order_by(sources.c.number.desc())
    )
    return db.execute(query).all()


def count(db: sa.Connection, projects: Iterable[str], filters: Filters) -> int:
    query = sa.select(sa.func.count()).select_from(sources).where(*_matching(projects, filters))
    return int(db.execute(query).scalar_one())


def count_by_state(db: sa.Connection, projects: Iterable[str]) -> dict[str, int]:
    query = (
        sa.select(sources.c.state, sa.func.count())
        .where(sources.c.project_id.in_(list(projects)))
        .group_by(sources.c.state)
    )
    return {state: int(number) for state, number in db.execute(query)}


def count_unconfigured(db: sa.Connection, projects: Iterable[str]) -> int:
    """Sources that wait for a task to be set up."""
    query = (
        sa.select(sa.func.count())
        .select_from(sources)
        .where(
            sources.c.project_id.in_(list(projects)),
            sources.c.state == SourceState.WAITING,
            sources.c.task == "null",
        )
    )
    return int(db.execute(query).scalar_one())


def judged_by_others(db: sa.Connection, rules: str, *, limit: int) -> Sequence[sa.Row[Any]]:
    return db.execute(sa.select(sources).where(sources.c.rules != rules).limit(limit)).all()


def save_heartbeats(db: sa.Connection, seen: Mapping[str, int]) -> None:
    """Note when agents were last here; a later note of another process stands."""
    if not seen:
        return
    # A source deleted meanwhile has no row to refer to: select it, do not insert its id.
    statement = """
        INSERT INTO heartbeats (source_id, seen_at)
        SELECT id, :seen_at FROM sources WHERE id = :source_id
        ON CONFLICT (source_id) DO UPDATE SET seen_at = excluded.seen_at
        WHERE excluded.seen_at > heartbeats.seen_at
    """
    rows = [{"source_id": source_id, "seen_at": at} for source_id, at in seen.items()]
    db.execute(sa.text(statement), rows)


def any_silent(db: sa.Connection, since: int) -> bool:
    """Whether there is a connected source whose agent was not seen since then."""
    return db.execute(sa.select(sources.c.id).where(*_silent(since)).limit(1)).first() is not None


def disconnect_silent(db: sa.Connection, since: int, *, now: int) -> int:
    """Mark connected sources whose agent was not seen since then as gone; returns how many."""
    gone = sa.update(sources).where(*_silent(since)).values(connected=False, last_visit_time=now)
    return db.execute(gone).rowcount


def connect(db: sa.Connection, source_ids: Iterable[str], *, now: int) -> None:
    """Mark agents as there; keeps the time of those that were marked already."""
    for source_id in source_ids:
        db.execute(
            sa.update(sources)
            .where(sources.c.id == source_id, sources.c.connected.is_(False))
            .values(connected=True, last_visit_time=now)
        )


def _silent(since: int) -> tuple[sa.ColumnElement[bool], ...]:
    seen = sa.exists().where(heartbeats.c.source_id == sources.c.id, heartbeats.c.seen_at >= since)
    return sources.c.connected, ~seen


def _matching(projects: Iterable[str], filters: Filters) -> list[sa.ColumnElement[bool]]:
    c = sources.c
    wanted: list[sa.ColumnElement[bool]] = [c.project_id.in_(list(projects))]
    if filters.name is not None:
        wanted.append(c.name.icontains(filters.name, autoescape=True))
    if filters.failed:
        wanted.append(c.state.in_((SourceState.UNAVAILABLE, SourceState.ERROR)))
    exact = {
        c.state: filters.state,
        c.id: filters.id,
        c.ip: filters.ip,
        c.ipv6: filters.ipv6,
        c.migproject: filters.migproject,
        c.migration_cycle: filters.migration_cycle,
        c.connected: filters.connected,
        c.enterprise_project_id: filters.enterprise_project_id,
        c.has_consistency_result: filters.is_consistency_result_exist,
        c.target_vm_id: filters.vm_id,
    }
    wanted += [column == value for column, value in exact.items() if value is not None]
    return wanted
