"""The privacy agreement, which clients of the API accept before they register a source.

Each user, and each source's agent, accepts for itself: nobody can do it for another.
"""

from dataclasses import dataclass

from rehost.control.api.sources import Done
from rehost.control.operation import Access, Caller, Context, operation
from rehost.control.store import agreements as table

RESOURCE = "the privacy agreement"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowPrivacyAgreementsResponse:
    """Whether the caller has accepted."""

    flag: bool


@operation("POST", "/v3/privacy-agreements", returns=Done, access=Access.AGENT, resource=RESOURCE)
def create_privacy_agreements(ctx: Context) -> Done:
    """Accept the privacy agreement, for the caller alone; once more changes nothing."""
    with ctx.services.database.write() as db:
        table.accept(db, _subject(ctx.caller))
    return Done()


@operation(
    "GET",
    "/v3/privacy-agreements",
    returns=ShowPrivacyAgreementsResponse,
    access=Access.AGENT,
    resource=RESOURCE,
)
def show_privacy_agreements(ctx: Context) -> ShowPrivacyAgreementsResponse:
    """Show whether the caller has accepted the privacy agreement."""
    with ctx.services.database.read() as db:
        return ShowPrivacyAgreementsResponse(flag=table.accepted(db, _subject(ctx.caller)))


def _subject(caller: Caller) -> str:
    if caller.source_id is not None:
        return f"source:{caller.source_id}"
    return f"user:{caller.domain_id}:{caller.user_id}"


OPERATIONS = (create_privacy_agreements, show_privacy_agreements)
