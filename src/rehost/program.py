"""The program `rehost`: the operator's commands and the administration of a service, in one."""

import typer

from rehost.cli import app, exits
from rehost.control import admin

program = typer.Typer(
    name="rehost",
    help="Move running servers onto new infrastructure, online, and prove the result.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    epilog="Exit codes: " + ", ".join(f"{code:d} {code.meaning}" for code in exits.Exit),
)
program.callback()(app.options)
program.add_typer(app.commands)
program.add_typer(admin.commands)
