"""rehost migprojects: list, create, default, delete: how groups of sources are migrated."""

from typing import Annotated, Any

import typer

from rehost.cli import output, session
from rehost.cli.document import rows, text
from rehost.cli.find import every_migproject, migproject_id
from rehost.contract.client import segment
from rehost.model.task import TaskType

commands = typer.Typer(
    help="Migration projects: what the tasks of a group of sources are like where they do not say.",
    no_args_is_help=True,
)

Migproject = Annotated[
    str, typer.Argument(metavar="MIGPROJECT", help="Id or name.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the service's JSON.")]


@commands.command("list")
def list_(as_json: AsJson = False) -> None:
    """List migration projects, the default first."""
    found = list(every_migproject(session.connect()))
    if as_json:
        output.show_json({"count": len(found), "migprojects": found})
        return
    from rehost.cli import tables

    output.show_table(tables.migprojects(found, output.look(output.console())))


@commands.command()
def create(  # noqa: PLR0913 - what tasks can be told
    name: Annotated[str, typer.Argument(help="Its name.", show_default=False)],
    *,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    syncing: Annotated[
        bool, typer.Option("--syncing/--once", help="Keep targets in step after the first copy.")
    ] = False,
    start_target: Annotated[
        bool,
        typer.Option("--start-target/--leave-target-off", help="Start targets at the end."),
    ] = True,
    speed_limit: Annotated[
        int, typer.Option(min=0, max=10000, help="Mbit/s at any time of day; 0: none.")
    ] = 0,
    network_check: Annotated[
        bool, typer.Option("--network-check", help="Measure the way to the target first.")
    ] = False,
    default: Annotated[
        bool, typer.Option("--default", help="New source servers belong to it.")
    ] = False,
) -> None:
    """Create a migration project; prints its id."""
    client = session.connect()
    regions = rows(client.call("GET", "/v3/config").body, "regions")
    body: dict[str, Any] = {
        "name": name,
        "description": description,
        "isdefault": default,
        "region": text(regions[0], "id") if regions else "",
        "start_target_server": start_target,
        "speed_limit": speed_limit,
        "type": TaskType.MIGRATE_BLOCK,
        "syncing": syncing,
        "start_network_check": network_check,
    }
    print(client.call("POST", "/v3/migprojects", body=body).body["id"])


@commands.command()
def default(migproject: Migproject) -> None:
    """Make it the default: source servers that register from now on belong to it."""
    client = session.connect()
    wanted = segment(migproject_id(client, migproject))
    client.call("PUT", f"/v3/migprojects/{wanted}/default", body={})
    output.note(f"New source servers belong to {migproject} now.")


@commands.command()
def delete(
    migproject: Migproject,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a migration project that has no source servers and is not the default."""
    client = session.connect()
    wanted = migproject_id(client, migproject)
    if not yes:
        typer.confirm(f"Delete {migproject}?", abort=True, err=True)
    client.call("DELETE", f"/v3/migprojects/{segment(wanted)}")
    output.note(f"Deleted {wanted}.")
