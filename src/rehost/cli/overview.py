"""rehost overview, errors: the state of everything at a glance."""

from typing import Annotated

import typer

from rehost.cli import output, session

commands = typer.Typer()


@commands.command()
def overview(
    as_json: Annotated[bool, typer.Option("--json", help="Print the service's JSON.")] = False,
) -> None:
    """Count the source servers by state."""
    counts = session.connect().call("GET", "/v3/sources/overview").body
    if as_json:
        output.show_json(counts)
        return
    from rehost.cli import tables

    out = output.console()
    output.show(tables.overview(counts, out.width, output.look(out)))


@commands.command()
def errors(
    limit: Annotated[int, typer.Option(min=0, max=100, help="At most this many.")] = 50,
    offset: Annotated[int, typer.Option(min=0, max=65535, help="Leave out the first.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the service's JSON.")] = False,
) -> None:
    """List the source servers that cannot go on, and why."""
    query = {"limit": limit, "offset": offset}
    found = session.connect().call("GET", "/v3/errors", query=query).body
    if as_json:
        output.show_json(found)
        return
    if not found.get("migration_errors"):
        output.note("No source server has an error.")
        return
    from rehost.cli import tables

    output.show_table(tables.errors(found["migration_errors"], output.look(output.console())))
