"""rehost domain: what users and projects belong to; nothing is shared between two domains."""

from typing import Annotated

import typer

from rehost.control.admin_options import Config, Data, note, opened, say, table

commands = typer.Typer(no_args_is_help=True, help="Domains of the service on this machine.")

Name = Annotated[str, typer.Argument(help="Name of the domain.", metavar="NAME")]


@commands.command("create")
def create_domain(name: Name, data: Data = None, config: Config = None) -> None:
    """Create a domain; it has no projects, users or roles of its own yet."""
    from rehost.control.store import identity

    with opened(data, config, create=True) as local, local.database.write() as db:
        domain = identity.create_domain(db, name)
        note(db, domain, "createDomain", "domains", name)
    say(f"Created domain {name}.")
    print(domain.id)


@commands.command("list")
def list_domains(data: Data = None, config: Config = None) -> None:
    """List the domains, with how much is in each."""
    from rehost.control.store import identity

    with opened(data, config) as local, local.database.read() as db:
        projects, users = identity.all_projects(db), identity.all_users(db)
        rows = [
            (
                domain.name,
                str(sum(p.domain == domain for p in projects)),
                str(sum(u.domain == domain for u in users)),
                domain.id,
            )
            for domain in identity.all_domains(db)
        ]
    table(("NAME", "PROJECTS", "USERS", "ID"), rows)


@commands.command("delete")
def delete_domain(name: Name, data: Data = None, config: Config = None) -> None:
    """Delete a domain that has no users and no projects, with its roles."""
    from rehost.control.store import identity

    with opened(data, config) as local, local.database.write() as db:
        domain = identity.require_domain(db, name)
        identity.delete_domain(db, domain)
        note(db, domain, "deleteDomain", "domains", name)
    say(f"Deleted domain {name}.")
