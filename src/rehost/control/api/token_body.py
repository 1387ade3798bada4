"""What a token stands for, as Keystone version 3 says it: its clients read this."""

from dataclasses import dataclass
from datetime import UTC, datetime

from msgspec import UNSET, UnsetType

from rehost.control.login import Session
from rehost.control.roles import weakest
from rehost.control.store.identity import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class IdAndName:
    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InDomain(IdAndName):
    """A user or a project."""

    domain: IdAndName


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUser(InDomain):
    password_expires_at: None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    id: str
    interface: str
    region: str
    region_id: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogEntry:
    id: str
    name: str
    type: str
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """Has a project or a domain, whichever it is for; clients tell it by which is there."""

    methods: tuple[str, ...]
    issued_at: str
    expires_at: str
    user: TokenUser
    roles: tuple[IdAndName, ...]
    catalog: tuple[CatalogEntry, ...]
    project: InDomain | UnsetType = UNSET
    domain: IdAndName | UnsetType = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenBody:
    token: Token


def token_body(session: Session, *, base_url: str, region: str) -> TokenBody:
    """`base_url` is how the caller reaches this service."""
    user, project = session.user, session.project
    domain = IdAndName(id=user.domain.id, name=user.domain.name)
    role = weakest(grant.role for grant in session.grants)
    token = Token(
        methods=("password",),
        issued_at=iso(session.issued_at),
        expires_at=iso(session.expires_at),
        user=TokenUser(id=user.id, name=user.name, domain=domain),
        roles=(IdAndName(id=role, name=role),),
        catalog=tuple(_entry(name, base_url, region) for name in ("sms", "identity")),
        project=_project(project) if project else UNSET,
        domain=UNSET if project else domain,
    )
    return TokenBody(token=token)


def iso(ms: int) -> str:
    """A time as Keystone writes it, with microseconds."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _project(project: Project) -> InDomain:
    domain = IdAndName(id=project.domain.id, name=project.domain.name)
    return InDomain(id=project.id, name=project.name, domain=domain)


def _entry(type_: str, base_url: str, region: str) -> CatalogEntry:
    endpoint = Endpoint(
        id=f"{type_}-{region}",
        interface="public",
        region=region,
        region_id=region,
        url=f"{base_url}/v3",
    )
    return CatalogEntry(id=type_, name="rehost", type=type_, endpoints=(endpoint,))
