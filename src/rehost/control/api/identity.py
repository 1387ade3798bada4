"""Tokens, projects and domains, as Keystone version 3 has them."""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Literal

from rehost.control import audit
from rehost.control.api.token_body import TokenBody, token_body
from rehost.control.login import Named, Scope, Session, find_session, log_in, tried
from rehost.control.operation import Access, Context, Reply, operation
from rehost.control.store import credentials, identity
from rehost.control.store.identity import DEFAULT, Project
from rehost.errors import InvalidRequest, NotAuthenticated, TokenNotFound, TooManyRequests
from rehost.model.limits import Meta, Text

SUBJECT = ("X-Subject-Token",)
Password = Annotated[str, Meta(max_length=1024)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordUser(Named):
    password: Password = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordMethod:
    user: PasswordUser


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthIdentity:
    methods: tuple[Text, ...]
    password: PasswordMethod | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    identity: AuthIdentity
    scope: Scope | Literal["unscoped"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateToken:
    auth: Auth


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    self: str
    previous: str | None = None
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectItem:
    id: str
    name: str
    domain_id: str
    parent_id: str
    description: str = ""
    enabled: bool = True
    is_domain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Projects:
    projects: tuple[ProjectItem, ...]
    links: Links


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainItem:
    id: str
    name: str
    description: str = ""
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Domains:
    domains: tuple[DomainItem, ...]
    links: Links


@operation(
    "POST",
    "/v3/auth/tokens",
    returns=TokenBody,
    access=Access.ANYONE,
    status=HTTPStatus.CREATED,
    raises=(InvalidRequest, NotAuthenticated, TooManyRequests),
    answers_with=SUBJECT,
)
def create_token(ctx: Context, body: CreateToken) -> Reply:
    """Log in with a password; the token is in the header X-Subject-Token."""
    method = body.auth.identity.password
    if body.auth.identity.methods != ("password",) or method is None:
        raise InvalidRequest(
            'body field auth.identity: methods must be ["password"], and password be given'
        )
    scope = body.auth.scope
    try:
        token, session = log_in(
            ctx.services,
            method.user,
            method.user.password,
            scope if isinstance(scope, Scope) else Scope(),
            address=ctx.client_ip,
        )
    except NotAuthenticated as e:
        domain_id, user_id, name = tried(ctx.services, method.user)
        audit.note_log_in(ctx, domain_id=domain_id, user_id=user_id, user_name=name, error=e)
        raise
    user = session.user
    audit.note_log_in(
        ctx, domain_id=user.domain.id, user_id=user.id, user_name=user.name, error=None
    )
    return _token_reply(ctx, token, session)


@operation(
    "GET",
    "/v3/auth/tokens",
    returns=TokenBody,
    raises=(InvalidRequest, TokenNotFound),
    headers=SUBJECT,
    answers_with=SUBJECT,
)
def show_token(ctx: Context) -> Reply:
    """Show what the token in the header X-Subject-Token stands for."""
    token = _subject(ctx)
    return _token_reply(ctx, token, _session(ctx, token))


@operation(
    "HEAD",
    "/v3/auth/tokens",
    returns=None,
    raises=(InvalidRequest, TokenNotFound),
    headers=SUBJECT,
)
def check_token(ctx: Context) -> None:
    """Tell whether the token in the header X-Subject-Token is valid."""
    _session(ctx, _subject(ctx))


@operation(
    "DELETE",
    "/v3/auth/tokens",
    returns=None,
    status=HTTPStatus.NO_CONTENT,
    raises=(InvalidRequest, TokenNotFound),
    headers=SUBJECT,
)
def revoke_token(ctx: Context) -> None:
    """Revoke the token in the header X-Subject-Token, at once and for good."""
    with ctx.services.database.write() as db:
        if not credentials.revoke_token(db, _subject(ctx)):
            raise TokenNotFound


@operation("GET", "/v3/auth/projects", returns=Projects)
def list_auth_projects(ctx: Context) -> Projects:
    """List the projects that the user has a role in."""
    return _projects(ctx, "/v3/auth/projects", _own_projects(ctx))


@operation("GET", "/v3/projects", returns=Projects)
def list_projects(ctx: Context, name: Text | None = None) -> Projects:
    """List the user's projects; with the region's name, the one that the region stands for."""
    own = _own_projects(ctx)
    found = [project for project in own if name in (None, project.name)]
    if not found and name == ctx.services.config.region:
        # An SDK that is given a region looks for its project by the region's name, and takes
        # no other answer than exactly one.
        found = sorted(own, key=lambda project: project.name != DEFAULT)[:1]
    return _projects(ctx, "/v3/projects", found)


@operation("GET", "/v3/auth/domains", returns=Domains)
def list_auth_domains(ctx: Context) -> Domains:
    """List the domains that the user can log in to: its own."""
    with ctx.services.database.read() as db:
        domain = identity.find_domain(db, id=ctx.caller.domain_id)
    found = (domain,) if domain else ()
    return Domains(
        domains=tuple(DomainItem(id=d.id, name=d.name) for d in found),
        links=Links(self=f"{ctx.base_url}/v3/auth/domains"),
    )


def _token_reply(ctx: Context, token: str, session: Session) -> Reply:
    body = token_body(session, base_url=ctx.base_url, region=ctx.services.config.region)
    return Reply(body=body, headers=(("X-Subject-Token", token), ("Vary", "X-Auth-Token")))


def _subject(ctx: Context) -> str:
    if not (token := ctx.headers.get("x-subject-token")):
        raise InvalidRequest("the header X-Subject-Token, with the token in question, is missing")
    return token


def _session(ctx: Context, token: str) -> Session:
    """Whoever holds a token may ask about it, as it could be used for just that."""
    with ctx.services.database.read() as db:
        session = find_session(db, token)
    if session is None:
        raise TokenNotFound
    return session


def _own_projects(ctx: Context) -> list[Project]:
    with ctx.services.database.read() as db:
        return [g.project for g in identity.grants_of(db, ctx.caller.user_id or "")]


def _projects(ctx: Context, path: str, found: list[Project]) -> Projects:
    items = (
        ProjectItem(
            id=project.id,
            name=project.name,
            domain_id=project.domain.id,
            parent_id=project.domain.id,
        )
        for project in found
    )
    return Projects(projects=tuple(items), links=Links(self=f"{ctx.base_url}{path}"))


OPERATIONS = (
    create_token,
    show_token,
    check_token,
    revoke_token,
    list_auth_projects,
    list_projects,
    list_auth_domains,
)
