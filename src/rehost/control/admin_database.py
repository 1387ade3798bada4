"""rehost db: the schema of the service's database."""

import typer

from rehost.control.admin_options import Config, Data, opened, say

commands = typer.Typer(no_args_is_help=True, help="The service's database: its schema.")

OUT_OF_DATE = 1


@commands.command("status")
def show_status(data: Data = None, config: Config = None) -> None:
    """Tell whether the database has this program's schema; ends with 1 if it needs an upgrade."""
    with opened(data, config, upgrade=False) as local:
        schema = local.database.schema()
    print(f"schema: {schema.current or 'none'}\nof this program: {schema.newest}")
    if not schema.pending:
        say("The database is up to date.")
        return
    for step in schema.pending:
        print(f"to do: {step}")
    say("Upgrade it with `rehost db upgrade`; `rehost serve` does the same when it starts.")
    raise typer.Exit(OUT_OF_DATE)


@commands.command("upgrade")
def upgrade(data: Data = None, config: Config = None) -> None:
    """Bring the database to this program's schema, whole or not at all; safe to repeat.

    Stop the service of an older program and copy its database first: there is no way back.
    """
    with opened(data, config, upgrade=False) as local:
        before = local.database.schema()
        local.database.upgrade()
    for step in before.pending:
        print(f"done: {step}")
    say(f"The database has schema {before.newest}, that of this program.")
