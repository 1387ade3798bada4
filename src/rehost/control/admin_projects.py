"""rehost project: what the sources of a service are grouped by; a role is always in one."""

from typing import Annotated

import typer

from rehost.control.admin_options import Config, Data, Domain, note, opened, say, table

commands = typer.Typer(no_args_is_help=True, help="Projects of the service on this machine.")

Name = Annotated[str, typer.Argument(help="Name of the project.", metavar="NAME")]


@commands.command("create")
def create_project(
    name: Name, domain: Domain = "default", data: Data = None, config: Config = None
) -> None:
    """Create a project, and its domain if that is new."""
    from rehost.control.store import identity

    with opened(data, config, create=True) as local, local.database.write() as db:
        owner = identity.find_domain(db, name=domain)
        if owner is None:
            owner = identity.create_domain(db, domain)
            note(db, owner, "createDomain", "domains", domain)
        project = identity.create_project(db, name, owner)
        note(db, owner, "createProject", "projects", name)
    say(f"Created project {name} in domain {domain}.")
    print(project.id)


@commands.command("list")
def list_projects(data: Data = None, config: Config = None) -> None:
    """List the projects."""
    from rehost.control.store import identity

    with opened(data, config) as local, local.database.read() as db:
        rows = [(p.name, p.domain.name, p.id) for p in identity.all_projects(db)]
    table(("NAME", "DOMAIN", "ID"), rows)


@commands.command("delete")
def delete_project(
    name: Name, domain: Domain = "default", data: Data = None, config: Config = None
) -> None:
    """Delete a project that has no sources, with its templates, migration projects and roles."""
    from rehost.control.store import identity

    with opened(data, config) as local, local.database.write() as db:
        project = identity.require_project(db, name, domain=domain)
        identity.delete_project(db, project)
        note(db, project.domain, "deleteProject", "projects", name)
    say(f"Deleted project {name} of domain {domain}.")
