"""rehost sources: list, show, delete, move, rename."""

from typing import Annotated, Any

import typer

from rehost.cli import output, session
from rehost.cli.complete import complete_source
from rehost.cli.document import Json, rows
from rehost.cli.find import every_source, list_sources, migproject_id, source_id
from rehost.contract.client import segment
from rehost.model.source import MigrationCycle, SourceState

commands = typer.Typer(help="The source servers that are registered.", no_args_is_help=True)

Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="Id, the beginning of an id, or name.",
        autocompletion=complete_source,
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the service's JSON.")]


@commands.command("list")
def list_(  # noqa: PLR0913 - the filters of ListServers
    *,
    state: Annotated[SourceState | None, typer.Option(help="Only in this state.")] = None,
    name: Annotated[str | None, typer.Option(help="Part of the name.")] = None,
    id_: Annotated[str | None, typer.Option("--id", help="The whole id.")] = None,
    ip: Annotated[str | None, typer.Option(help="IPv4 address.")] = None,
    ipv6: Annotated[str | None, typer.Option(help="IPv6 address.")] = None,
    cycle: Annotated[MigrationCycle | None, typer.Option(help="Stage of the migration.")] = None,
    connected: Annotated[
        bool | None, typer.Option("--connected/--disconnected", help="Does its agent answer?")
    ] = None,
    migproject: Annotated[str | None, typer.Option(help="Migration project id.")] = None,
    enterprise_project_id: Annotated[
        str | None, typer.Option(help="Enterprise project id.")
    ] = None,
    vm_id: Annotated[str | None, typer.Option(help="Id of the target server.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=0, max=200, help="At most this many; default: all.")
    ] = None,
    offset: Annotated[int, typer.Option(min=0, max=65535, help="Leave out the first.")] = 0,
    as_json: AsJson = False,
) -> None:
    """List source servers, newest first."""
    filters: dict[str, Any] = {
        "state": state,
        "name": name,
        "id": id_,
        "ip": ip,
        "ipv6": ipv6,
        "migration_cycle": cycle,
        "connected": connected,
        "migproject": migproject,
        "enterprise_project_id": enterprise_project_id,
        "vm_id": vm_id,
    }
    client = session.connect()
    if limit is None and not offset:
        every = list(every_source(client, filters))
        answer: Json = {"count": len(every), "source_servers": every}
    else:
        answer = list_sources(client, {**filters, "limit": limit, "offset": offset})
    if as_json:
        output.show_json(answer)
        return
    found = rows(answer, "source_servers")
    if not found:
        output.note("No source server fits. To add one, run `rehost enroll`.")
        return
    from rehost.cli import tables

    out = output.console()
    length = tables.telling_length([s["id"] for s in found]) if out.is_terminal else None
    output.show_table(tables.sources(found, output.look(out), id_length=length))


@commands.command()
def show(source: Source, as_json: AsJson = False) -> None:
    """Show a source server: disks, checks, recommended target, networks, task."""
    client = session.connect()
    shown = client.call("GET", f"/v3/sources/{segment(source_id(client, source))}").body
    if as_json:
        output.show_json(shown)
        return
    from rehost.cli import report

    out = output.console()
    output.show(report.draw(shown, out.width, output.look(out)))


@commands.command()
def delete(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Ids, beginnings of ids, or names.",
            autocompletion=complete_source,
            show_default=False,
        ),
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete source servers from the service; the machines themselves are not touched."""
    client = session.connect()
    ids = list(dict.fromkeys(source_id(client, wanted) for wanted in sources))
    if not yes:
        what = ", ".join(sources)
        typer.confirm(f"Delete {what} and all that is known about it?", abort=True, err=True)
    if len(ids) == 1:
        client.call("DELETE", f"/v3/sources/{segment(ids[0])}")
    else:
        client.call("POST", "/v3/sources/delete", body={"ids": ids})
    output.note(f"Deleted {', '.join(ids)}.")


@commands.command()
def move(
    source: Source,
    migproject: Annotated[
        str, typer.Argument(metavar="MIGPROJECT", help="Id or name.", show_default=False)
    ],
) -> None:
    """Move a source server to another migration project; tasks that it has stay as they are."""
    client = session.connect()
    body = {"migprojectid": migproject_id(client, migproject)}
    client.call("PUT", f"/v3/sources/{segment(source_id(client, source))}", body=body)
    output.note(f"Moved {source} to {migproject}.")


@commands.command()
def rename(
    source: Source,
    name: Annotated[str, typer.Argument(help="The new name.", show_default=False)],
) -> None:
    """Rename a source server; the machine's own host name stays."""
    client = session.connect()
    client.call("PUT", f"/v3/sources/{segment(source_id(client, source))}", body={"name": name})
    output.note(f"Renamed {source} to {name}.")
