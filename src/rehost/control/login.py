"""Logging in with a password: who it is, in which project, and the token for it."""

from dataclasses import dataclass

import sqlalchemy as sa

from rehost.control import passwords
from rehost.control.services import Services
from rehost.control.store import credentials, identity
from rehost.control.store.identity import Grant, Project, User
from rehost.errors import InvalidRequest, NotAuthenticated
from rehost.model.limits import Text

# One sentence for all of it: no answer may tell whether there is such a user.
REFUSED = "user name, domain or password is wrong, or the user may not log in"
NO_ROLE = "the user has no role in the project or domain that the scope names, or it does not exist"


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainRef:
    id: Text | None = None
    name: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A user or project, by its id or by its name in a domain."""

    id: Text | None = None
    name: Text | None = None
    domain: DomainRef | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One project, or all of the user's domain; neither is the user's first project."""

    project: Named | None = None
    domain: DomainRef | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What a user's token stands for. `project` is None if it is for the domain."""

    user: User
    project: Project | None
    grants: tuple[Grant, ...]
    issued_at: int
    expires_at: int


def log_in(
    services: Services, who: Named, password: str, scope: Scope, *, address: str
) -> tuple[str, Session]:
    """A new token of the user, and what it stands for.

    Raises InvalidRequest, TooManyRequests, or NotAuthenticated: for a wrong password as for an
    unknown or disabled user, and for a scope where the user has no role.
    """
    with services.database.read() as db:
        user = _find_user(db, who)
    name = user.id if user else repr(who)
    with passwords.admitted():
        # Only now: one that is sent away because of others has not failed.
        services.auth.throttle.attempt(name, address)
        matches = passwords.matches(user.password_hash if user else None, password)
    if not matches or user is None:
        raise NotAuthenticated(REFUSED)
    with services.database.write() as db:
        # Again: hashing took a while, in which the password may have been changed.
        if identity.user_with_id(db, user.id) != user or not user.enabled:
            raise NotAuthenticated(REFUSED)
        services.auth.throttle.succeeded(name, address)
        project = _project(db, user, scope)
        token, _ = credentials.issue_token(db, user, project)
        session = find_session(db, token)
    if session is None:
        raise NotAuthenticated(NO_ROLE)
    return token, session


def tried(services: Services, who: Named) -> tuple[str, str, str]:
    """The domain, id and name of the user whom somebody tried to be; empty if there is none."""
    with services.database.read() as db:
        if user := _find_user(db, who):
            return user.domain.id, user.id, user.name
        domain = who.domain and identity.find_domain(db, id=who.domain.id, name=who.domain.name)
        return (domain.id if domain else "", "", "")


def find_session(db: sa.Connection, token: str) -> Session | None:
    """What a user's token stands for; None if it is good for nothing (any more)."""
    row = credentials.find_token(db, token)
    user = identity.user_with_id(db, row.user_id) if row else None
    if row is None or user is None or not user.enabled:
        return None
    grants = [g for g in identity.grants_of(db, user.id) if row.project_id in (None, g.project.id)]
    if not grants:
        return None
    return Session(
        user=user,
        project=grants[0].project if row.project_id else None,
        grants=tuple(grants),
        issued_at=row.issued_at,
        expires_at=row.expires_at,
    )


def _find_user(db: sa.Connection, who: Named) -> User | None:
    if who.id is not None:
        return identity.user_with_id(db, who.id)
    if who.name is None or who.domain is None:
        raise InvalidRequest("body field auth.identity.password.user: give id, or name and domain")
    domain = identity.find_domain(db, id=who.domain.id, name=who.domain.name)
    return identity.user_named(db, who.name, domain) if domain else None


def _project(db: sa.Connection, user: User, scope: Scope) -> Project | None:
    """The project that the scope means, one of the user's; None for the domain."""
    if scope.project and scope.domain:
        raise InvalidRequest("body field auth.scope: give project or domain, not both")
    projects = [grant.project for grant in identity.grants_of(db, user.id)]
    if scope.domain:
        wanted = identity.find_domain(db, id=scope.domain.id, name=scope.domain.name)
        if wanted != user.domain or not projects:
            raise NotAuthenticated(NO_ROLE)
        return None
    meant = [p for p in projects if scope.project is None or _is(p, scope.project)]
    if not meant:
        raise NotAuthenticated(NO_ROLE)
    return meant[0]


def _is(project: Project, ref: Named) -> bool:
    if ref.id is not None:
        return project.id == ref.id
    if ref.name is None or ref.domain is None:
        raise InvalidRequest("body field auth.scope.project: give id, or name and domain")
    domain = ref.domain
    same = project.domain.id == domain.id or project.domain.name == domain.name
    return same and project.name == ref.name
