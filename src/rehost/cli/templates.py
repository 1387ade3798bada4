"""rehost templates: list, show, create, delete: what targets are to be like."""

import re
from typing import Annotated

import typer

from rehost.cli import output, session
from rehost.cli.document import Json
from rehost.cli.find import every_template, template_id
from rehost.contract.client import segment
from rehost.errors import InvalidRequest

commands = typer.Typer(help="Server templates: what targets are to be like.", no_args_is_help=True)

Templates = Annotated[
    list[str],
    typer.Argument(metavar="TEMPLATE...", help="Ids or names.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the service's JSON.")]
DISK = re.compile(r"(.+)=(\d{1,6})", re.ASCII)
KIND = "SAS"  # the API wants a kind of storage; the service has one


@commands.command("list")
def list_(as_json: AsJson = False) -> None:
    """List server templates."""
    client = session.connect()
    found = list(every_template(client))
    if as_json:
        output.show_json({"count": len(found), "templates": found})
        return
    if not found:
        output.note("There is no template. To make one, run `rehost templates create NAME`.")
        return
    from rehost.cli import tables

    output.show_table(tables.templates(found, output.look(output.console())))


@commands.command()
def show(
    template: Annotated[
        str, typer.Argument(metavar="TEMPLATE", help="Id or name.", show_default=False)
    ],
) -> None:
    """Print a server template as the service's JSON."""
    client = session.connect()
    wanted = segment(template_id(client, template))
    output.show_json(client.call("GET", f"/v3/vm/templates/{wanted}").body)


@commands.command()
def create(
    name: Annotated[str, typer.Argument(help="Its name.", show_default=False)],
    *,
    flavor: Annotated[
        str | None, typer.Option(help="CPUs and memory, such as 4cpu-8gib. [the source's]")
    ] = None,
    network: Annotated[
        list[str] | None,
        typer.Option(
            help="Of one interface: user, isolated or bridge:NAME; repeat it for the next one."
        ),
    ] = None,
    disk: Annotated[
        list[str] | None,
        typer.Option(metavar="DISK=GIB", help="A larger disk: /dev/vda=100; repeat it."),
    ] = None,
    target_name: Annotated[
        str | None, typer.Option(help="Name of the target server. [the source's]")
    ] = None,
) -> None:
    """Create a server template; prints its id. docs/targets.md says what becomes of it."""
    body: Json = {
        "name": name,
        "flavor": flavor or "",
        "target_server_name": target_name or "",
        "nics": [{"id": each, "name": each} for each in network or ()],
        "disk": [_disk(index, each) for index, each in enumerate(disk or ())],
    }
    client = session.connect()
    print(client.call("POST", "/v3/vm/templates", body={"template": body}).body["id"])
    output.note(f"Use it with: rehost tasks create SOURCE --template {name}")


@commands.command()
def delete(
    templates: Templates,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete server templates; targets that were made of them stay."""
    client = session.connect()
    ids = list(dict.fromkeys(template_id(client, wanted) for wanted in templates))
    if not yes:
        typer.confirm(f"Delete {', '.join(templates)}?", abort=True, err=True)
    client.call("POST", "/v3/vm/templates/delete", body={"ids": ids})
    output.note(f"Deleted {', '.join(ids)}.")


def _disk(index: int, said: str) -> Json:
    if not (found := DISK.fullmatch(said)):
        raise InvalidRequest(f"{said!r} is no disk; say it like /dev/vda=100")
    return {"index": index, "name": found[1], "disktype": KIND, "size": int(found[2])}
