"""Who drives which task: a runner that holds a lease on it, and nobody else, until it lapses.

Each function is part of its caller's transaction. `until` and `now` are ms since the epoch.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from rehost.control.store.schema import discards, tasks

AT_ONCE = 100  # removals that are looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A runner: `owner` is its own name, `node` that of the machine whose disks it can reach."""

    owner: str
    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Discard:
    """What a deleted task left: its folders, and the target that goes, or is only taken down."""

    task_id: str
    server_id: str | None
    kept_server_id: str | None = None


def work(db: sa.Connection, holder: Holder, *, now: int) -> Sequence[str]:
    """Tasks with something to do that this runner drives, or may take over."""
    query = sa.select(tasks.c.id).where(tasks.c.active, *_open(tasks.c, holder, now))
    return db.execute(query.order_by(tasks.c.number)).scalars().all()


def take(db: sa.Connection, task_id: str, holder: Holder, *, now: int, until: int) -> bool:
    """Take, or keep, the lease on a task; False if another runner has it, or it is gone."""
    mine = sa.update(tasks).where(tasks.c.id == task_id, *_open(tasks.c, holder, now))
    return db.execute(mine.values(lease_owner=holder.owner, lease_until=until)).rowcount == 1


def is_held(db: sa.Connection, task_id: str, holder: Holder) -> bool:
    query = sa.select(tasks.c.id).where(tasks.c.id == task_id, tasks.c.lease_owner == holder.owner)
    return db.execute(query).first() is not None


def held(db: sa.Connection, holder: Holder) -> frozenset[str]:
    """The tasks that this runner holds."""
    query = sa.select(tasks.c.id).where(tasks.c.active, tasks.c.lease_owner == holder.owner)
    return frozenset(db.execute(query).scalars())


def renew(db: sa.Connection, holder: Holder, *, until: int) -> None:
    for table in (tasks, discards):
        mine = sa.update(table).where(table.c.lease_owner == holder.owner)
        if table is tasks:
            mine = mine.where(tasks.c.active)
        db.execute(mine.values(lease_until=until))


def release(db: sa.Connection, task_id: str, holder: Holder) -> None:
    mine = sa.update(tasks).where(tasks.c.id == task_id, tasks.c.lease_owner == holder.owner)
    db.execute(mine.values(lease_owner=None, lease_until=0))


def lapse(db: sa.Connection, owners: Iterable[str], *, but: Iterable[str] = ()) -> None:
    """End the leases of runners that are known to be dead, or to end, but those on some tasks."""
    names, kept = list(owners), list(but)
    active = sa.update(tasks).where(tasks.c.active, tasks.c.lease_owner.in_(names))
    left = sa.update(discards).where(discards.c.lease_owner.in_(names))
    for mine in (
        active.where(tasks.c.id.not_in(kept)),
        left.where(discards.c.task_id.not_in(kept)),
    ):
        db.execute(mine.values(lease_owner=None, lease_until=0))


def left_over(db: sa.Connection, holder: Holder, *, now: int) -> Sequence[Discard]:
    """Some of what deleted tasks left, for this runner to remove: first what it is at, then others
    at each call.

    However many of them cannot be removed, the rest gets its turn.
    """
    columns = (discards.c.task_id, discards.c.server_id, discards.c.kept_server_id)
    own_first = sa.case((discards.c.lease_owner == holder.owner, 0), else_=1)
    query = sa.select(*columns).where(*_open(discards.c, holder, now))
    rows = db.execute(query.order_by(own_first, sa.func.random()).limit(AT_ONCE))
    return [Discard(**row._mapping) for row in rows]


def take_discard(db: sa.Connection, task_id: str, holder: Holder, *, now: int, until: int) -> bool:
    mine = sa.update(discards).where(discards.c.task_id == task_id)
    mine = mine.where(*_open(discards.c, holder, now))
    return db.execute(mine.values(lease_owner=holder.owner, lease_until=until)).rowcount == 1


def forget(db: sa.Connection, task_id: str) -> None:
    """What a deleted task left is removed."""
    db.execute(sa.delete(discards).where(discards.c.task_id == task_id))


def _open(columns: Any, holder: Holder, now: int) -> tuple[sa.ColumnElement[bool], ...]:  # noqa: ANN401
    free = columns.lease_owner.is_(None) | (columns.lease_until < now)
    near = columns.node.is_(None) | (columns.node == holder.node)
    return free | (columns.lease_owner == holder.owner), near
