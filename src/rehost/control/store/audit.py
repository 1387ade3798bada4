"""The audit trail: who did what to which resource, when, from where, with what result.

Entries refer to nothing: they outlive the users, projects and sources that they name.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from rehost.control.store.schema import audit

PRUNED = 1000  # at most so many at once, so that no request waits long for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One operation that was done or refused. Empty texts: not known, or there is none.

    `caller` is a user's name, `caller_id` its id or the id of the source whose agent called.
    `project_id` is None for what concerns the domain, as a log-in does. `error_code` is empty for
    what succeeded.
    """

    at: int  # ms since the epoch
    domain_id: str
    project_id: str | None
    caller_kind: str
    caller_id: str
    caller: str
    client_ip: str
    event: str
    resource: str
    resource_id: str
    status: int
    error_code: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """None does not filter. `since` is included, `until` is not."""

    caller: str | None = None
    event: str | None = None
    resource_id: str | None = None
    failed: bool | None = None
    since: int | None = None
    until: int | None = None


def add(db: sa.Connection, *entries: Entry, keep_since: int | None) -> None:
    """Write entries, and let go of the oldest ones from before `keep_since`."""
    db.execute(sa.insert(audit), [asdict(entry) for entry in entries])
    if keep_since is not None:
        old = sa.select(audit.c.number).where(audit.c.at < keep_since).order_by(audit.c.at)
        few = old.limit(PRUNED).scalar_subquery()
        db.execute(sa.delete(audit).where(audit.c.number.in_(few)))


def page(
    db: sa.Connection,
    projects: Iterable[str],
    domain_id: str,
    filters: Filters,
    *,
    limit: int,
    offset: int,
) -> Sequence[sa.Row[Any]]:
    """One page of the projects' entries and the domain's own, newest first."""
    query = (
        sa.select(audit)
        .where(*_matching(projects, domain_id, filters))
        .order_by(audit.c.number.desc())
    )
    return db.execute(query.limit(limit).offset(offset)).all()


def count(db: sa.Connection, projects: Iterable[str], domain_id: str, filters: Filters) -> int:
    wanted = _matching(projects, domain_id, filters)
    query = sa.select(sa.func.count()).select_from(audit).where(*wanted)
    return int(db.execute(query).scalar_one())


def _matching(
    projects: Iterable[str], domain_id: str, filters: Filters
) -> list[sa.ColumnElement[bool]]:
    c = audit.c
    of_domain = sa.and_(c.project_id.is_(None), c.domain_id == domain_id)
    wanted: list[sa.ColumnElement[bool]] = [sa.or_(c.project_id.in_(list(projects)), of_domain)]
    exact = {c.event: filters.event, c.resource_id: filters.resource_id}
    wanted += [column == value for column, value in exact.items() if value is not None]
    if filters.caller is not None:
        wanted.append(sa.or_(c.caller == filters.caller, c.caller_id == filters.caller))
    if filters.failed is not None:
        wanted.append(c.error_code != "" if filters.failed else c.error_code == "")
    if filters.since is not None:
        wanted.append(c.at >= filters.since)
    if filters.until is not None:
        wanted.append(c.at < filters.until)
    return wanted
