"""Domains, projects, users and their roles. Each function is part of its caller's transaction.

A user has at most one role in a project, and only in projects of its own domain.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from rehost.control.clock import now_ms
from rehost.control.roles import ROLES
from rehost.control.store.schema import (
    domains,
    enrolments,
    grants,
    projects,
    roles,
    sources,
    tokens,
    users,
)
from rehost.errors import IdentityExists, IdentityNotFound
from rehost.identity_errors import InUse

DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    id: str
    name: str
    domain: Domain


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    id: str
    name: str
    domain: Domain
    password_hash: str
    enabled: bool
    created_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A role in a project."""

    project: Project
    role: str


def ensure_defaults(db: sa.Connection) -> Project:
    """The project "default" of the domain "default", made if it is not there."""
    return ensure_project(db, DEFAULT, domain=DEFAULT)


def ensure_project(db: sa.Connection, name: str, *, domain: str) -> Project:
    """The project of this name, made with its domain if it is not there."""
    owner = ensure_domain(db, domain)
    return project_named(db, name, owner) or create_project(db, name, owner)


def adopt_project(db: sa.Connection, project: Project) -> None:
    """Have the project of another identity service here, with its domain, under its ids.

    Its domain's name is marked: one of the same name may be here already. So is that of a project
    which has the name of an earlier one, since deleted there or renamed.
    """
    if find_domain(db, id=project.domain.id) is None:
        values = {"id": project.domain.id, "name": f"{project.domain.name} ({project.domain.id})"}
        db.execute(sa.insert(domains).values(values))
    if project_with_id(db, project.id) is None:
        taken = project_named(db, project.name, project.domain) is not None
        name = f"{project.name} ({project.id})" if taken else project.name
        values = {"id": project.id, "domain_id": project.domain.id, "name": name}
        db.execute(sa.insert(projects).values(values))


def ensure_domain(db: sa.Connection, name: str) -> Domain:
    """The domain of this name, made if it is not there."""
    return find_domain(db, name=name) or create_domain(db, name)


def create_domain(db: sa.Connection, name: str) -> Domain:
    """Raise IdentityExists if there is a domain of this name."""
    if find_domain(db, name=name):
        raise IdentityExists("domain", name)
    domain = Domain(id=uuid4().hex, name=name)
    db.execute(sa.insert(domains).values(id=domain.id, name=name))
    return domain


def require_domain(db: sa.Connection, name: str) -> Domain:
    """Raise IdentityNotFound if there is no such domain."""
    domain = find_domain(db, name=name)
    if domain is None:
        raise IdentityNotFound("domain", name)
    return domain


def all_domains(db: sa.Connection) -> Sequence[Domain]:
    rows = db.execute(sa.select(domains).order_by(domains.c.name))
    return [Domain(id=row.id, name=row.name) for row in rows]


def delete_domain(db: sa.Connection, domain: Domain) -> None:
    """Delete a domain with its roles. Raise InUse if it has users or projects."""
    for table, what in ((users, "users"), (projects, "projects")):
        count = sa.select(sa.func.count()).where(table.c.domain_id == domain.id)
        if amount := db.execute(count.select_from(table)).scalar_one():
            raise InUse("domain", domain.name, f"it has {what} ({amount}); delete them first")
    db.execute(sa.delete(domains).where(domains.c.id == domain.id))


def find_domain(
    db: sa.Connection, *, id: str | None = None, name: str | None = None
) -> Domain | None:
    """The domain with this id, or else with this name."""
    wanted = domains.c.name == name if id is None else domains.c.id == id
    row = db.execute(sa.select(domains).where(wanted)).one_or_none()
    return Domain(id=row.id, name=row.name) if row else None


def create_project(db: sa.Connection, name: str, domain: Domain) -> Project:
    """Raise IdentityExists if the domain has a project of this name."""
    if project_named(db, name, domain):
        raise IdentityExists("project", name, domain.name)
    project = Project(id=uuid4().hex, name=name, domain=domain)
    values = {"id": project.id, "name": name, "domain_id": domain.id}
    db.execute(sa.insert(projects).values(values))
    return project


def project_named(db: sa.Connection, name: str, domain: Domain) -> Project | None:
    query = _PROJECTS.where(projects.c.name == name, projects.c.domain_id == domain.id)
    row = db.execute(query).one_or_none()
    return _project(row) if row else None


def project_with_id(db: sa.Connection, project_id: str) -> Project | None:
    row = db.execute(_PROJECTS.where(projects.c.id == project_id)).one_or_none()
    return _project(row) if row else None


def all_projects(db: sa.Connection) -> Sequence[Project]:
    return [
        _project(row) for row in db.execute(_PROJECTS.order_by(domains.c.name, projects.c.name))
    ]


def delete_project(db: sa.Connection, project: Project) -> None:
    """Delete a project with all in it but sources: raise InUse if it has any."""
    count = sa.select(sa.func.count()).where(sources.c.project_id == project.id)
    if amount := db.execute(count.select_from(sources)).scalar_one():
        raise InUse("project", project.name, f"it has source servers ({amount}); delete them first")
    db.execute(sa.delete(projects).where(projects.c.id == project.id))


def create_user(db: sa.Connection, name: str, domain: Domain, *, password_hash: str) -> User:
    """A user who has no role yet. Raise IdentityExists if the domain has one of this name."""
    if user_named(db, name, domain):
        raise IdentityExists("user", name, domain.name)
    user = User(
        id=uuid4().hex,
        name=name,
        domain=domain,
        password_hash=password_hash,
        enabled=True,
        created_at=now_ms(),
    )
    values = {
        "id": user.id,
        "name": name,
        "domain_id": domain.id,
        "password_hash": password_hash,
        "enabled": True,
        "created_at": user.created_at,
    }
    db.execute(sa.insert(users).values(values))
    return user


def user_named(db: sa.Connection, name: str, domain: Domain) -> User | None:
    query = _USERS.where(users.c.name == name, users.c.domain_id == domain.id)
    row = db.execute(query).one_or_none()
    return _user(row) if row else None


def user_with_id(db: sa.Connection, user_id: str) -> User | None:
    row = db.execute(_USERS.where(users.c.id == user_id)).one_or_none()
    return _user(row) if row else None


def all_users(db: sa.Connection) -> Sequence[User]:
    return [_user(row) for row in db.execute(_USERS.order_by(domains.c.name, users.c.name))]


def require_user(db: sa.Connection, name: str, *, domain: str) -> User:
    """Raise IdentityNotFound if the domain has no such user."""
    owner = find_domain(db, name=domain)
    user = user_named(db, name, owner) if owner else None
    if user is None:
        raise IdentityNotFound("user", name, domain)
    return user


def require_project(db: sa.Connection, name: str, *, domain: str) -> Project:
    """Raise IdentityNotFound if the domain has no such project."""
    owner = find_domain(db, name=domain)
    project = project_named(db, name, owner) if owner else None
    if project is None:
        raise IdentityNotFound("project", name, domain)
    return project


def delete_user(db: sa.Connection, user: User) -> None:
    """Delete a user with roles, keys, tokens and codes; the agents the user enrolled go on."""
    db.execute(sa.delete(enrolments).where(enrolments.c.created_by == user.id))
    db.execute(sa.delete(users).where(users.c.id == user.id))


def set_enabled(db: sa.Connection, user: User, *, enabled: bool) -> None:
    db.execute(sa.update(users).where(users.c.id == user.id).values(enabled=enabled))


def set_password(db: sa.Connection, user: User, *, password_hash: str) -> None:
    """Change the password and end the sessions that the old one opened."""
    db.execute(sa.update(users).where(users.c.id == user.id).values(password_hash=password_hash))
    db.execute(sa.delete(tokens).where(tokens.c.user_id == user.id))


def grant(db: sa.Connection, user: User, project: Project, role: str) -> None:
    """Give the user this role in the project, in place of the one it may have.

    Raise IdentityNotFound if the role or the project is not there, or not of the user's domain.
    """
    if user.domain != project.domain:
        raise IdentityNotFound("project", project.name, user.domain.name)
    of_domain = (roles.c.name == role, roles.c.domain_id == user.domain.id)
    if role not in ROLES and not db.execute(sa.select(roles.c.name).where(*of_domain)).first():
        raise IdentityNotFound("role", role, user.domain.name)
    revoke(db, user, project)
    values = {"user_id": user.id, "project_id": project.id, "role": role}
    db.execute(sa.insert(grants).values(values))


def revoke(db: sa.Connection, user: User, project: Project) -> None:
    """Take the user's role in the project; having none is not an error."""
    of_both = (grants.c.user_id == user.id, grants.c.project_id == project.id)
    db.execute(sa.delete(grants).where(*of_both))


def grants_of(db: sa.Connection, user_id: str) -> Sequence[Grant]:
    """The user's roles, by the name of the project."""
    query = (
        _PROJECTS.add_columns(grants.c.role)
        .join(grants, grants.c.project_id == projects.c.id)
        .where(grants.c.user_id == user_id)
        .order_by(projects.c.name)
    )
    return [Grant(project=_project(row), role=row.role) for row in db.execute(query)]


_DOMAIN = (domains.c.id.label("owner_id"), domains.c.name.label("owner_name"))
_PROJECTS: sa.Select[Any] = sa.select(projects.c.id, projects.c.name, *_DOMAIN).join_from(
    projects, domains
)
_USERS: sa.Select[Any] = sa.select(users, *_DOMAIN).join_from(users, domains)


def _domain(row: sa.Row[Any]) -> Domain:
    return Domain(id=row.owner_id, name=row.owner_name)


def _project(row: sa.Row[Any]) -> Project:
    return Project(id=row.id, name=row.name, domain=_domain(row))


def _user(row: sa.Row[Any]) -> User:
    return User(
        id=row.id,
        name=row.name,
        domain=_domain(row),
        password_hash=row.password_hash,
        enabled=row.enabled,
        created_at=row.created_at,
    )
