"""What the commands of an administrator share: options, the opened database, the output."""

import os
import pwd
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rehost.control.local import Local
    from rehost.control.store.identity import Domain as DomainRow

LONGEST_NAME = 255  # as the audit trail has it

Config = Annotated[
    Path | None, typer.Option(envvar="REHOST_CONFIG", help="A TOML file with any of the options.")
]
Data = Annotated[
    Path | None,
    typer.Option(envvar="REHOST_DATA", help="Folder of the database, keys and certificates."),
]
Domain = Annotated[str, typer.Option(help="Domain of the user and the project.")]
UserName = Annotated[str, typer.Argument(help="Name of the user.", metavar="NAME")]


def opened(
    data: Path | None, file: Path | None, *, create: bool = False, upgrade: bool = True
) -> AbstractContextManager["Local"]:
    """The database that `rehost serve` would use with the same options and variables."""
    from rehost.control import config
    from rehost.control.local import open_local

    return open_local(config.override(config.load(file), data=data), create=create, upgrade=upgrade)


def note(db: "Connection", domain: "DomainRow", event: str, resource: str, name: str) -> None:
    """Write to the audit trail what this machine's user did, together with doing it."""
    from rehost.control.clock import now_ms
    from rehost.control.store import audit

    entry = audit.Entry(
        at=now_ms(),
        domain_id=domain.id,
        project_id=None,
        caller_kind="local",
        caller_id=str(os.getuid()),
        caller=_local_user(),
        client_ip="",
        event=event,
        resource=resource,
        resource_id=name[:LONGEST_NAME],
        status=200,
        error_code="",
        request_id="",
    )
    audit.add(db, entry, keep_since=None)


def _local_user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # as in a container, for a number without a name
        return str(os.getuid())


def say(sentence: str) -> None:
    """What was done, for people; standard output is for programs."""
    from rehost.model.printable import printable

    print(printable(sentence), file=sys.stderr)


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    from rehost.model.printable import printable

    clean = [tuple(map(printable, row)) for row in (head, *rows)]
    widths = [max(len(row[i]) for row in clean) for i in range(len(head))]
    for row in clean:
        print("  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip())
