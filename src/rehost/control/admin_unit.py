"""rehost unit: running the service under systemd."""

import sys
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from rehost.control.admin_options import Config, Data
from rehost.system.unit import command_line

# As in the unit that is shipped; replaced by this machine's.
_COMMAND = "/usr/local/bin/rehost serve --data /var/lib/rehost --host 0.0.0.0"


def unit(
    config: Config = None,
    data: Data = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on. [0.0.0.0, unless there is --config]")
    ] = None,
    user: Annotated[
        str | None, typer.Option(help="Who runs it; the data folder must be theirs. [root]")
    ] = None,
) -> None:
    """Print a systemd unit that runs this service, to be kept in /etc/systemd/system.

    It runs the program that prints it. Stopping the service leaves target machines running.
    """
    words = [_program(), "serve"]
    if config:
        words += ["--config", str(config.absolute())]
    if data or not config:
        words += ["--data", str((data or Path("/var/lib/rehost")).absolute())]
    if host or not config:
        words += ["--host", host or "0.0.0.0"]  # noqa: S104 - for agents of other machines
    print(text(words, user), end="")


def text(words: list[str], user: str | None) -> str:
    shipped = resources.files("rehost.control").joinpath("rehost.service").read_text()
    whole = shipped.replace(_COMMAND, command_line(words))
    return whole.replace("Type=exec\n", f"Type=exec\nUser={user}\n") if user else whole


def _program() -> str:
    """Beside the Python that runs it, where an environment has its programs."""
    beside = Path(sys.executable).with_name("rehost")
    return str(beside if beside.exists() else Path(sys.argv[0]).absolute())
