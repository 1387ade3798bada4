"""The operator's commands. To add one: a function in a module beside this one, and a line here."""

from typing import Annotated

import typer

import rehost
from rehost.cli import audit, login, migprojects, overview, sources, starts, templates

commands = typer.Typer()
commands.add_typer(login.commands)
commands.add_typer(sources.commands, name="sources")
commands.add_typer(starts.commands, name="tasks")
commands.add_typer(templates.commands, name="templates")
commands.add_typer(migprojects.commands, name="migprojects")
commands.add_typer(overview.commands)
commands.add_typer(audit.commands)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"rehost {rehost.__version__}")
        raise typer.Exit


def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Options of the program itself; typer's callback."""
