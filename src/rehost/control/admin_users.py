"""rehost user: who may use this service, and in which role."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from rehost.control.admin_options import Config, Data, Domain, UserName, note, opened, say, table
from rehost.control.roles import Role

commands = typer.Typer(no_args_is_help=True, help="Users of the service on this machine.")

ProjectName = Annotated[str, typer.Option(help="Project, in the user's domain.")]
RoleName = Annotated[
    str, typer.Option(help="What the user may do in the project; `rehost role list` has all.")
]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]


@commands.command("create")
def create_user(  # noqa: PLR0913, PLR0917 - each is an option
    name: UserName,
    role: RoleName = Role.OPERATOR,
    project: ProjectName = "default",
    domain: Domain = "default",
    password_stdin: FromStdin = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Create a user; prints a password, once, if none is given."""
    from rehost.control import passwords
    from rehost.control.store import identity

    password = _password(password_stdin)
    password_hash = passwords.new_hash(password)
    with opened(data, config, create=True) as local, local.database.write() as db:
        identity.ensure_defaults(db)
        place = identity.require_project(db, project, domain=domain)
        user = identity.create_user(db, name, place.domain, password_hash=password_hash)
        identity.grant(db, user, place, role)
        note(db, user.domain, "createUser", "users", f"{name}: {role} of {project}")
    say(f"Created user {name}: {role} of project {project} in domain {domain}.")
    if not password_stdin:
        print(f"password: {password}")


@commands.command("list")
def list_users(data: Data = None, config: Config = None) -> None:
    """List the users and their roles."""
    from rehost.control.store import identity

    with opened(data, config) as local, local.database.read() as db:
        rows = [
            (
                user.name,
                user.domain.name,
                "yes" if user.enabled else "no",
                ", ".join(
                    f"{grant.role} of {grant.project.name}"
                    for grant in identity.grants_of(db, user.id)
                ),
            )
            for user in identity.all_users(db)
        ]
    table(("NAME", "DOMAIN", "ENABLED", "ROLES"), rows)


@commands.command("delete")
def delete_user(
    name: UserName, domain: Domain = "default", data: Data = None, config: Config = None
) -> None:
    """Delete a user with its keys and tokens; what it registered stays."""
    from rehost.control.store import identity

    with opened(data, config) as local, local.database.write() as db:
        user = identity.require_user(db, name, domain=domain)
        identity.delete_user(db, user)
        note(db, user.domain, "deleteUser", "users", name)
    say(f"Deleted user {name}.")


@commands.command("enable")
def enable_user(
    name: UserName, domain: Domain = "default", data: Data = None, config: Config = None
) -> None:
    """Let a disabled user in again."""
    _set_enabled(name, domain, data, config, enabled=True)


@commands.command("disable")
def disable_user(
    name: UserName, domain: Domain = "default", data: Data = None, config: Config = None
) -> None:
    """Refuse a user's password, tokens and keys, from the next request on."""
    _set_enabled(name, domain, data, config, enabled=False)


@commands.command("set-password")
def set_password(
    name: UserName,
    domain: Domain = "default",
    password_stdin: FromStdin = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Change a user's password and end its log-ins; prints one if none is given."""
    from rehost.control import passwords
    from rehost.control.store import identity

    password = _password(password_stdin)
    password_hash = passwords.new_hash(password)
    with opened(data, config) as local, local.database.write() as db:
        user = identity.require_user(db, name, domain=domain)
        identity.set_password(db, user, password_hash=password_hash)
        note(db, user.domain, "setPassword", "users", name)
    say(f"Changed the password of user {name}; its tokens are revoked.")
    if not password_stdin:
        print(f"password: {password}")


@commands.command("grant")
def grant(
    name: UserName,
    role: RoleName = Role.OPERATOR,
    project: ProjectName = "default",
    domain: Domain = "default",
    data: Data = None,
    config: Config = None,
) -> None:
    """Give a user a role in a project, in place of the one it has there."""
    from rehost.control.store import identity

    with opened(data, config) as local, local.database.write() as db:
        user = identity.require_user(db, name, domain=domain)
        identity.grant(db, user, identity.require_project(db, project, domain=domain), role)
        note(db, user.domain, "grantRole", "users", f"{name}: {role} of {project}")
    say(f"User {name} is {role} of project {project} now.")


@commands.command("revoke")
def revoke(
    name: UserName,
    project: ProjectName = "default",
    domain: Domain = "default",
    data: Data = None,
    config: Config = None,
) -> None:
    """Take a user's role in a project."""
    from rehost.control.store import identity

    with opened(data, config) as local, local.database.write() as db:
        user = identity.require_user(db, name, domain=domain)
        identity.revoke(db, user, identity.require_project(db, project, domain=domain))
        note(db, user.domain, "revokeRole", "users", f"{name}: {project}")
    say(f"User {name} has no role in project {project} now.")


def _set_enabled(
    name: str, domain: str, data: Path | None, config: Path | None, *, enabled: bool
) -> None:
    from rehost.control.store import identity

    with opened(data, config) as local, local.database.write() as db:
        user = identity.require_user(db, name, domain=domain)
        identity.set_enabled(db, user, enabled=enabled)
        note(db, user.domain, "enableUser" if enabled else "disableUser", "users", name)
    say(f"User {name} is {'enabled' if enabled else 'disabled'} now.")


def _password(from_stdin: bool) -> str:
    from rehost.control import passwords

    return sys.stdin.readline().rstrip("\r\n") if from_stdin else passwords.generate()
