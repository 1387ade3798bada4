"""The audit trail, for administrators."""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Annotated, Any

from rehost.control.operation import Context, operation
from rehost.control.store import audit as table
from rehost.model.limits import Long, Meta, Text

PAGE = 50  # what limit=0 means
Limit = Annotated[int, Meta(ge=0, le=200)]
Offset = Annotated[int, Meta(ge=0, le=65535)]


class Outcome(StrEnum):
    SUCCESS = "success"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """`at` is in ms since the epoch; `error_code` is empty for what succeeded. The client may be
    looked for in the service's log by `request_id`."""

    at: int
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
class AuditTrail:
    count: int
    entries: tuple[AuditEntry, ...]


@operation(
    "GET",
    "/v3/rehost/audit",
    returns=AuditTrail,
    action="rehost:audit:list",
    resource="the audit trail",
)
def list_audit(  # noqa: PLR0913 - filters
    ctx: Context,
    *,
    caller: Text | None = None,
    event: Text | None = None,
    resource_id: Text | None = None,
    outcome: Outcome | None = None,
    since: Long | None = None,
    until: Long | None = None,
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> AuditTrail:
    """List who did what to which resource, newest first.

    `caller` is a user's name or id, or a source's id for its agent. `since` and `until` are in ms
    since the epoch. A limit of 0 is the default, 50. Shown are the projects of the token, and the
    log-ins of its domain.
    """
    filters = table.Filters(
        caller=caller or None,
        event=event or None,
        resource_id=resource_id or None,
        failed=None if outcome is None else outcome is Outcome.FAILURE,
        since=since,
        until=until,
    )
    who = ctx.caller
    with ctx.services.database.read() as db:
        count = table.count(db, who.projects, who.domain_id, filters)
        rows = table.page(
            db, who.projects, who.domain_id, filters, limit=limit or PAGE, offset=offset
        )
    return AuditTrail(count=count, entries=tuple(map(_entry, rows)))


def _entry(row: Any) -> AuditEntry:  # noqa: ANN401 - a row
    return AuditEntry(**{field.name: getattr(row, field.name) for field in fields(AuditEntry)})


OPERATIONS = (list_audit,)
