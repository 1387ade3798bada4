"""Commands for whoever runs the service: serve, user, targets. On its machine, not over HTTP.

`rehost --help` imports this file: what the commands need, they import when they run.
"""

from typing import Annotated

import typer

from rehost.control import (
    admin_database,
    admin_domains,
    admin_keys,
    admin_projects,
    admin_roles,
    admin_targets,
    admin_unit,
    admin_users,
)
from rehost.control.admin_options import Config, Data

commands = typer.Typer()
commands.add_typer(admin_users.commands, name="user")
commands.add_typer(admin_projects.commands, name="project")
commands.add_typer(admin_domains.commands, name="domain")
commands.add_typer(admin_database.commands, name="db")
commands.add_typer(admin_roles.commands, name="role")
commands.add_typer(admin_targets.commands, name="targets")
admin_users.commands.add_typer(admin_keys.commands, name="key")
commands.command()(admin_unit.unit)


@commands.command()
def serve(  # noqa: PLR0913, PLR0917 - the service's options
    config: Config = None,
    data: Data = None,
    database: Annotated[
        str | None,
        typer.Option(
            help="URL of a PostgreSQL database; better set as REHOST_DATABASE, for its password. "
            "[SQLite in the data folder]"
        ),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on. [127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on. [8780]")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that serve. [1]")] = None,
    public_url: Annotated[
        str | None, typer.Option(help="How agents reach the service, behind a proxy for example.")
    ] = None,
    trusted_proxies: Annotated[
        str | None,
        typer.Option(
            help="Proxies in front, as 10.0.0.5,192.0.2.0/24: the clients that they name in "
            "X-Forwarded-For count. [none]"
        ),
    ] = None,
    tls_certificate: Annotated[
        str | None, typer.Option(help="PEM file. Without one, off loopback, the service makes one.")
    ] = None,
    tls_key: Annotated[str | None, typer.Option(help="PEM file.")] = None,
    insecure_http: Annotated[
        bool | None, typer.Option("--insecure-http", help="Plain HTTP off loopback: not safe.")
    ] = None,
    poll_interval: Annotated[
        int | None, typer.Option(help="Seconds between an agent's polls. [30]")
    ] = None,
    keystone_url: Annotated[
        str | None,
        typer.Option(help="Take the tokens of this external Keystone too: https://…/v3."),
    ] = None,
    keystone_ca: Annotated[
        str | None, typer.Option(help="PEM file of who signed Keystone's certificate.")
    ] = None,
    audit_days: Annotated[
        int | None, typer.Option(help="Days that the audit trail is kept; 0: for ever. [365]")
    ] = None,
    body_limit: Annotated[int | None, typer.Option(help="Bytes of a request's body.")] = None,
    provider: Annotated[
        str | None, typer.Option(help="Where targets are made: qemu, or null, disks alone. [qemu]")
    ] = None,
    qemu_acceleration: Annotated[
        str | None,
        typer.Option(help="kvm, tcg (emulation), or auto: KVM if a small guest runs. [auto]"),
    ] = None,
    qemu_chipset: Annotated[
        str | None, typer.Option(help="Of targets: q35, or pc for very old systems. [q35]")
    ] = None,
    qemu_bridge: Annotated[
        str | None,
        typer.Option(help="Bridge of this host that targets join. [a network behind the host]"),
    ] = None,
    receiver_ports: Annotated[
        str | None,
        typer.Option(
            help="Ports that agents send disks to, as 7000-7099: one for each task that runs. "
            "[any free ones]"
        ),
    ] = None,
    boot_probe: Annotated[
        str | None,
        typer.Option(
            help="What must answer for a target to be up: tcp:PORT, ssh:PORT, http:PORT/PATH or "
            "https:PORT/PATH. [its console, or SSH]"
        ),
    ] = None,
) -> None:
    """Run the service until Ctrl-C. Each option can also be set as REHOST_<NAME>."""
    from rehost.control.config import load, override
    from rehost.control.serve import serve as run

    options = {
        "data": data,
        "database": database,
        "host": host,
        "port": port,
        "workers": workers,
        "public_url": public_url,
        "trusted_proxies": trusted_proxies,
        "tls_certificate": tls_certificate,
        "tls_key": tls_key,
        "insecure_http": insecure_http,
        "poll_interval": poll_interval,
        "keystone_url": keystone_url,
        "keystone_ca": keystone_ca,
        "audit_days": audit_days,
        "body_limit": body_limit,
        "provider": provider,
        "qemu_acceleration": qemu_acceleration,
        "qemu_chipset": qemu_chipset,
        "qemu_bridge": qemu_bridge,
        "receiver_ports": receiver_ports,
        "boot_probe": boot_probe,
    }
    run(override(load(config), **options))
