"""Enrolment codes: how an operator lets a source server in."""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from rehost.control.enrolment import install_line, offline_line
from rehost.control.operation import Context, operation
from rehost.control.roles import ENROL
from rehost.control.store import credentials
from rehost.errors import InvalidRequest
from rehost.model.limits import Meta

Hours = Annotated[int, Meta(ge=1, le=168)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateEnrolment:
    hours: Hours = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """`line` is to be pasted on the source server; `expires_at` is in ms since the epoch.

    `offline_line` is for a source that /agent/rehost-agent.run, whose SHA-256 is `digest`, was
    brought to by hand.
    """

    code: str = field(repr=False)
    expires_at: int
    line: str = field(repr=False)
    offline_line: str = field(repr=False)
    digest: str


@operation(
    "POST",
    "/v3/rehost/enrolments",
    returns=Enrolment,
    action=ENROL,
    resource="enrolment codes",
    status=HTTPStatus.CREATED,
    raises=(InvalidRequest,),
)
def create_enrolment(ctx: Context, body: CreateEnrolment) -> Enrolment:
    """Make a code with which one source server registers itself in the token's project.

    It ends with the caller's right to make it.
    """
    caller, services = ctx.caller, ctx.services
    if caller.project_id is None:
        raise InvalidRequest(
            "this credential is for several projects; use a token for one, or send X-Project-Id"
        )
    with services.database.write() as db:
        code, expires_at = credentials.create_enrolment(
            db, caller.project_id, caller.user_id or "", hours=body.hours
        )
    digest, pin = services.agents.digest, services.pin
    return Enrolment(
        code=code,
        expires_at=expires_at,
        line=install_line(ctx.base_url, code, digest, pin=pin),
        offline_line=offline_line(ctx.base_url, code, pin=pin),
        digest=digest,
    )


OPERATIONS = (create_enrolment,)
