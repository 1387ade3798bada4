"""rehost role: roles of one's own, made of the API's IAM actions."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rehost.control.admin_options import Config, Data, Domain, note, opened, say, table

if TYPE_CHECKING:
    from rehost.control.policy import Policy

commands = typer.Typer(
    no_args_is_help=True, help="Roles: what users may do in a project. A new one allows nothing."
)

Name = Annotated[str, typer.Argument(help="Name of the role.", metavar="NAME")]
Allow = Annotated[
    list[str] | None,
    typer.Option(help="An action to allow, or a pattern such as 'sms:template:*'; repeat it."),
]
Deny = Annotated[
    list[str] | None,
    typer.Option(help="An action or pattern to refuse, whatever is allowed; repeat it."),
]
Remove = Annotated[
    list[str] | None, typer.Option(help="An action or pattern to forget; repeat it.")
]
PolicyFile = Annotated[
    Path | None,
    typer.Option("--policy", help="A custom policy in the public API's JSON form; - is stdin."),
]


@commands.command("create")
def create_role(  # noqa: PLR0913, PLR0917 - each is an option
    name: Name,
    allow: Allow = None,
    deny: Deny = None,
    policy: PolicyFile = None,
    domain: Domain = "default",
    data: Data = None,
    config: Config = None,
) -> None:
    """Create a role of a domain; it allows nothing but what is given here."""
    from rehost.control.store import identity, roles

    wanted = _read(policy).changed(allow=allow or (), deny=deny or ())
    with opened(data, config, create=True) as local, local.database.write() as db:
        identity.ensure_defaults(db)
        role = roles.create_role(db, name, identity.require_domain(db, domain), wanted)
        note(db, role.domain, "createRole", "roles", f"{name}: {_summary(wanted)}")
    say(f"Created role {name} in domain {domain}: {_amount(len(role.policy.actions()))}.")


@commands.command("change")
def change_role(  # noqa: PLR0913, PLR0917 - each is an option
    name: Name,
    allow: Allow = None,
    deny: Deny = None,
    remove: Remove = None,
    domain: Domain = "default",
    data: Data = None,
    config: Config = None,
) -> None:
    """Change what a role allows, from the next request of its users on."""
    from rehost.control.store import roles

    with opened(data, config) as local, local.database.write() as db:
        role = roles.require_role(db, name, domain=domain)
        wanted = role.policy.changed(allow=allow or (), deny=deny or (), remove=remove or ())
        roles.change_role(db, role, wanted)
        note(db, role.domain, "changeRole", "roles", f"{name}: {_summary(wanted)}")
    say(f"Role {name} of domain {domain} now: {_amount(len(wanted.actions()))}.")


@commands.command("list")
def list_roles(data: Data = None, config: Config = None) -> None:
    """List the roles, the built-in ones first."""
    from rehost.control.roles import ROLES
    from rehost.control.store import roles

    with opened(data, config) as local, local.database.read() as db:
        rows = [(name, "(all)", str(len(actions)), "built in") for name, actions in ROLES.items()]
        rows += [
            (r.name, r.domain.name, str(len(r.policy.actions())), _summary(r.policy))
            for r in roles.all_roles(db)
        ]
    table(("NAME", "DOMAIN", "ACTIONS", "POLICY"), rows)


@commands.command("show")
def show_role(
    name: Name, domain: Domain = "default", data: Data = None, config: Config = None
) -> None:
    """Print each action that a role allows."""
    from rehost.control.roles import ROLES
    from rehost.control.store import roles

    if (actions := ROLES.get(name)) is None:
        with opened(data, config) as local, local.database.read() as db:
            actions = roles.require_role(db, name, domain=domain).policy.actions()
    print("\n".join(sorted(actions)) or "(nothing)")


@commands.command("delete")
def delete_role(
    name: Name, domain: Domain = "default", data: Data = None, config: Config = None
) -> None:
    """Delete a role that no user has."""
    from rehost.control.store import roles

    with opened(data, config) as local, local.database.write() as db:
        role = roles.require_role(db, name, domain=domain)
        roles.delete_role(db, role)
        note(db, role.domain, "deleteRole", "roles", name)
    say(f"Deleted role {name} of domain {domain}.")


@commands.command("actions")
def list_actions() -> None:
    """List the actions that a role can be made of, and the older names for several of them."""
    from rehost.control.policy import ALIASES
    from rehost.control.roles import ADMIN, ROLES

    rows = [
        (action, ", ".join(n for n, allowed in ROLES.items() if action in allowed), "")
        for action in sorted(ADMIN)
    ]
    rows += [(alias, "", ", ".join(sorted(real))) for alias, real in ALIASES.items()]
    table(("ACTION", "IN THE ROLES", "STANDS FOR"), rows)


def _read(file: Path | None) -> "Policy":
    from rehost.control.policy import Policy, read_document
    from rehost.identity_errors import BadPolicy

    if file is None:
        return Policy()
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as e:
        raise BadPolicy(f"cannot read {file}: {e.strerror}") from e
    found, foreign = read_document(content)
    if foreign:
        say(f"Left out, as not of this service: {', '.join(foreign)}.")
    return found


def _summary(policy: "Policy") -> str:
    denied = f"; not {', '.join(policy.deny)}" if policy.deny else ""
    return (", ".join(policy.allow) or "nothing") + denied


def _amount(actions: int) -> str:
    return f"{actions} action{'' if actions == 1 else 's'} allowed"
