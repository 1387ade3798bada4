"""Server templates: what targets are to be made like. Each function is part of its caller's
transaction."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from rehost.control.store.schema import templates
from rehost.errors import TemplateNotFound

RowOfTemplate = sa.Row[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Of ListTemplates; None does not filter. `name` matches any part of the name."""

    name: str | None = None
    availability_zone: str | None = None
    region: str | None = None
    id: str | None = None


def insert(db: sa.Connection, project_id: str, values: Mapping[str, Any]) -> str:
    """Store a new template; returns its id."""
    template_id = str(uuid.uuid4())
    row = {"id": template_id, "project_id": project_id, **values}
    db.execute(sa.insert(templates).values(row))
    return template_id


def update(db: sa.Connection, template_id: str, values: Mapping[str, Any]) -> None:
    db.execute(sa.update(templates).where(templates.c.id == template_id).values(**values))


def delete(db: sa.Connection, template_ids: Iterable[str]) -> None:
    """Delete templates; what is gone is not an error."""
    db.execute(sa.delete(templates).where(templates.c.id.in_(list(template_ids))))


def visible(db: sa.Connection, projects: Iterable[str], template_id: str) -> RowOfTemplate:
    """The stored template; TemplateNotFound also for another project's, whose ids are not told."""
    query = sa.select(templates).where(
        templates.c.id == template_id, templates.c.project_id.in_(list(projects))
    )
    row = db.execute(query).one_or_none()
    if row is None:
        raise TemplateNotFound(template_id)
    return row


def page(
    db: sa.Connection, projects: Iterable[str], filters: Filters, *, limit: int, offset: int
) -> Sequence[RowOfTemplate]:
    """One page, newest first."""
    query = (
        sa.select(templates)
        .where(*_matching(projects, filters))
        .order_by(templates.c.number.desc())
        .limit(limit)
        .offset(offset)
    )
    return db.execute(query).all()


def count(db: sa.Connection, projects: Iterable[str], filters: Filters) -> int:
    query = sa.select(sa.func.count()).select_from(templates).where(*_matching(projects, filters))
    return int(db.execute(query).scalar_one())


def _matching(projects: Iterable[str], filters: Filters) -> list[sa.ColumnElement[bool]]:
    c = templates.c
    wanted: list[sa.ColumnElement[bool]] = [c.project_id.in_(list(projects))]
    if filters.name is not None:
        wanted.append(c.name.icontains(filters.name, autoescape=True))
    exact = {
        c.availability_zone: filters.availability_zone,
        c.region: filters.region,
        c.id: filters.id,
    }
    wanted += [column == value for column, value in exact.items() if value is not None]
    return wanted
