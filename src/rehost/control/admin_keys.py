"""rehost user key: the access keys with which a user's programs sign their requests."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from rehost.control.admin_options import Config, Data, Domain, UserName, note, opened, say, table

commands = typer.Typer(no_args_is_help=True, help="A user's access keys, for signed requests.")

Access = Annotated[str, typer.Argument(help="The access key.", metavar="AK")]


@commands.command("create")
def create_key(
    name: UserName, domain: Domain = "default", data: Data = None, config: Config = None
) -> None:
    """Create an access key; its secret key (SK) is printed now and never again."""
    from rehost.control.store import credentials, identity

    with opened(data, config) as local, local.database.write() as db:
        user = identity.require_user(db, name, domain=domain)
        access, secret = credentials.create_key(db, user, local.keys)
        note(db, user.domain, "createAccessKey", "access keys", f"{name} {access}")
    print(f"AK: {access}\nSK: {secret}")


@commands.command("list")
def list_keys(
    name: UserName, domain: Domain = "default", data: Data = None, config: Config = None
) -> None:
    """List a user's access keys."""
    from rehost.control.store import credentials, identity

    with opened(data, config) as local, local.database.read() as db:
        user = identity.require_user(db, name, domain=domain)
        rows = [(key.access, _when(key.created_at)) for key in credentials.keys_of(db, user)]
    table(("AK", "CREATED"), rows)


@commands.command("delete")
def delete_key(
    name: UserName,
    access: Access,
    domain: Domain = "default",
    data: Data = None,
    config: Config = None,
) -> None:
    """Delete an access key; requests signed with it are refused from now on."""
    from rehost.control.store import credentials, identity

    with opened(data, config) as local, local.database.write() as db:
        user = identity.require_user(db, name, domain=domain)
        credentials.delete_key(db, user, access)
        note(db, user.domain, "deleteAccessKey", "access keys", f"{name} {access}")
    say(f"Deleted access key {access} of user {name}.")


def _when(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
