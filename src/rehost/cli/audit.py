"""rehost audit: who did what, for administrators."""

from typing import Annotated, Any

import typer

from rehost.cli import output, session

commands = typer.Typer()

HOUR = 3600 * 1000


@commands.command()
def audit(  # noqa: PLR0913 - filters
    *,
    user: Annotated[
        str | None, typer.Option(help="Name or id of the user, or id of an agent's source.")
    ] = None,
    event: Annotated[str | None, typer.Option(help="What was done, like removeSource.")] = None,
    resource: Annotated[str | None, typer.Option(help="Id of what it was done to.")] = None,
    failed: Annotated[
        bool | None, typer.Option("--failed/--done", help="Only what failed, or only what did not.")
    ] = None,
    hours: Annotated[int | None, typer.Option(min=1, help="Only of so many last hours.")] = None,
    limit: Annotated[int, typer.Option(min=0, max=200, help="At most this many.")] = 50,
    offset: Annotated[int, typer.Option(min=0, max=65535, help="Leave out the first.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the service's JSON.")] = False,
) -> None:
    """List who did what to which resource, newest first. Needs the role admin."""
    query: dict[str, Any] = {
        "caller": user,
        "event": event,
        "resource_id": resource,
        "outcome": {None: None, True: "failure", False: "success"}[failed],
        "since": _since(hours),
        "limit": limit,
        "offset": offset,
    }
    given = {name: value for name, value in query.items() if value is not None}
    found = session.connect().call("GET", "/v3/rehost/audit", query=given).body
    if as_json:
        output.show_json(found)
        return
    if not found.get("entries"):
        output.note("Nothing that fits is in the audit trail.")
        return
    from rehost.cli import tables

    output.show_table(tables.audit(found["entries"], output.look(output.console())))


def _since(hours: int | None) -> int | None:
    import time

    return None if hours is None else int(time.time() * 1000) - hours * HOUR
