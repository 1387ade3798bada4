"""The roles that administrators made, each in its domain. Each function is part of its caller's
transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from rehost.control.policy import Policy
from rehost.control.roles import ROLES
from rehost.control.store.identity import Domain, find_domain
from rehost.control.store.schema import domains, grants, roles, users
from rehost.errors import IdentityExists, IdentityNotFound, InvalidRequest
from rehost.identity_errors import InUse, RoleIsBuiltIn

LONGEST = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomRole:
    name: str
    domain: Domain
    policy: Policy


def read_policy(stored: str) -> Policy:
    return msgspec.json.decode(stored, type=Policy)


def create_role(db: sa.Connection, name: str, domain: Domain, policy: Policy) -> CustomRole:
    """Raise RoleIsBuiltIn, InvalidRequest for a name too long, or IdentityExists for one taken."""
    if not 0 < len(name) <= LONGEST:
        raise InvalidRequest(f"the name of a role has 1 to {LONGEST} characters")
    if name in ROLES:
        raise RoleIsBuiltIn(name)
    if find_role(db, name, domain):
        raise IdentityExists("role", name, domain.name)
    values = {"domain_id": domain.id, "name": name, "policy": _stored(policy)}
    db.execute(sa.insert(roles).values(values))
    return CustomRole(name=name, domain=domain, policy=policy)


def change_role(db: sa.Connection, role: CustomRole, policy: Policy) -> None:
    """Counts from the next request on of everybody who has the role."""
    db.execute(sa.update(roles).where(*_is(role)).values(policy=_stored(policy)))


def delete_role(db: sa.Connection, role: CustomRole) -> None:
    """Raise InUse if a user has the role."""
    having = (
        sa.select(users.c.name)
        .join_from(grants, users)
        .where(grants.c.role == role.name, users.c.domain_id == role.domain.id)
        .distinct()
    )
    if names := db.execute(having.order_by(users.c.name)).scalars().all():
        some = ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
        raise InUse("role", role.name, f"it is the role of {some}; grant them another one first")
    db.execute(sa.delete(roles).where(*_is(role)))


def find_role(db: sa.Connection, name: str, domain: Domain) -> CustomRole | None:
    query = _ROLES.where(roles.c.name == name, roles.c.domain_id == domain.id)
    row = db.execute(query).one_or_none()
    return _role(row) if row else None


def require_role(db: sa.Connection, name: str, *, domain: str) -> CustomRole:
    """Raise RoleIsBuiltIn, or IdentityNotFound if the domain has no such role."""
    if name in ROLES:
        raise RoleIsBuiltIn(name)
    owner = find_domain(db, name=domain)
    role = find_role(db, name, owner) if owner else None
    if role is None:
        raise IdentityNotFound("role", name, domain)
    return role


def all_roles(db: sa.Connection) -> Sequence[CustomRole]:
    return [_role(row) for row in db.execute(_ROLES.order_by(domains.c.name, roles.c.name))]


def _is(role: CustomRole) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return (roles.c.domain_id == role.domain.id, roles.c.name == role.name)


def _stored(policy: Policy) -> str:
    return msgspec.json.encode(policy).decode()


_ROLES: sa.Select[Any] = sa.select(
    roles, domains.c.id.label("owner_id"), domains.c.name.label("owner_name")
).join_from(roles, domains)


def _role(row: sa.Row[Any]) -> CustomRole:
    return CustomRole(
        name=row.name,
        domain=Domain(id=row.owner_id, name=row.owner_name),
        policy=read_policy(row.policy),
    )
