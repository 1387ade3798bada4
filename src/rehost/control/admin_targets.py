"""rehost targets: the machines that were migrated to, on the service's own host.

A task that has succeeded may be deleted, and its target stays: nothing else knows of it then.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rehost.control.admin_options import Config, Data, note, opened, say, table
from rehost.model.printable import printable

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rehost.control.config import ServeConfig
    from rehost.control.task_record import Task
    from rehost.providers.base import Inventory, Provider

commands = typer.Typer(
    no_args_is_help=True, help="Targets on this machine, also those whose task was deleted."
)

Server = Annotated[str, typer.Argument(help="The target's id, or how it begins.", metavar="TARGET")]
Output = Annotated[Path, typer.Argument(help="The PNG file to write.", metavar="FILE")]
LAST = 64 << 10  # bytes of console
DOMAIN = "default"
GIB = 1 << 30


@commands.command("list")
def list_targets(data: Data = None, config: Config = None) -> None:
    """List the targets: whether they run, whose task they are, and what space they take."""
    settings = _settings(data, config)
    targets = _inventory(_provider(settings))
    with opened(data, config) as local, local.database.read() as db:
        rows = [
            (
                t.server.id,
                t.server.name,
                t.power,
                _task_said(_task(db, t)),
                t.source or "?",
                _gib(t.used),
                str(t.folder),
            )
            for t in targets
        ]
    table(("ID", "NAME", "POWER", "TASK", "SOURCE", "SPACE", "FOLDER"), rows)


@commands.command("show")
def show(server: Server, data: Data = None, config: Config = None) -> None:
    """Show a target: its disks, where they lie, its task and source, how it was started."""
    provider = _provider(_settings(data, config))
    target = _one(provider, server)
    with opened(data, config) as local, local.database.read() as db:
        task = _task(db, target)
    launch = target.launch.said if target.launch else "never started"
    lines = [
        ("id", target.server.id),
        ("name", target.server.name),
        ("power", _power_said(provider, target)),
        ("runs on", launch),
        ("task", _task_said(task)),
        ("source", target.source or "not known"),
        ("folder", str(target.folder)),
        ("space", _gib(target.used)),
    ]
    if target.clone_of:
        lines.append(("clone of", target.clone_of))
    for disk in target.server.disks:
        layer = f", with what has changed in {disk.path.with_suffix('.qcow2').name}"
        said = f"{disk.path}, {_gib(disk.size)}{layer if target.layered else ''}"
        lines.append((f"disk {disk.name}", said))
    width = max(len(name) for name, _ in lines)
    print("\n".join(f"{name:<{width}}  {printable(value)}" for name, value in lines))


@commands.command("start")
def start(server: Server, data: Data = None, config: Config = None) -> None:
    """Start a target. While its task is there, what it writes goes to a layer over its disks."""
    from rehost.provider_errors import ProviderCannot
    from rehost.providers.base import CanLayer

    settings = _settings(data, config)
    _insist_on_owner(settings.data)
    provider = _provider(settings)
    target = _one(provider, server)
    with opened(data, config) as local, local.database.read() as db:
        task = _task(db, target)
    _insist_on_rest(target, task, "stop it first")
    if task is None or target.clone_of:
        launch = provider.boot(target.server.id)
    elif isinstance(provider, CanLayer):
        # A later sync goes on from the disks as the agent left them.
        launch = provider.boot_layered(target.server.id)
        say("What it writes goes to a layer over its disks: its task can go on.")
    else:
        raise ProviderCannot(provider.name, "start a target whose task may go on")
    _note(data, config, "startTarget", target)
    say(f"Target {target.server.name} runs: {launch.said}.")


@commands.command("stop")
def stop(
    server: Server,
    force: Annotated[bool, typer.Option("--force", help="Turn it off at once.")] = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Shut a target down; one that does not listen is turned off after two minutes."""
    provider = _provider(_settings(data, config))
    target = _one(provider, server)
    provider.stop(target.server.id, hard=force)
    _note(data, config, "stopTarget", target)
    say(f"Target {target.server.name} is off.")


@commands.command("delete")
def delete(
    server: Server,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Delete a target that has no task any more, with all that is on its disks."""
    provider = _provider(_settings(data, config))
    target = _one(provider, server)
    _insist_on_deletable(target, data, config)
    what = f"target {target.server.name} ({target.server.id}), {_gib(target.used)}"
    if not yes:
        print(f"Its disks are in {target.folder}.", file=sys.stderr)
        question = f"Delete {what}, and all that is on it?"
        typer.confirm(printable(question), abort=True, err=True)
        # A test may have been begun while this waited for an answer.
        _insist_on_deletable(target, data, config)
    provider.delete(target.server.id)
    _note(data, config, "deleteTarget", target)
    say(f"Deleted {what}.")


@commands.command("console")
def console(
    server: Server,
    last: Annotated[int, typer.Option(help="How many bytes of its end.", min=1)] = LAST,
    data: Data = None,
    config: Config = None,
) -> None:
    """Print what a target said on its serial console since it was last started."""
    from rehost.provider_errors import ProviderCannot
    from rehost.providers.base import HasConsole

    provider = _provider(_settings(data, config))
    target = _one(provider, server)
    if not isinstance(provider, HasConsole):
        raise ProviderCannot(provider.name, "keep consoles")
    said = provider.console(target.server.id, last=last)
    sys.stdout.buffer.write(said)


@commands.command("screenshot")
def screenshot(server: Server, file: Output, data: Data = None, config: Config = None) -> None:
    """Write what is on a running target's screen to a PNG file."""
    from rehost.provider_errors import ProviderCannot
    from rehost.providers.base import CanScreenshot

    provider = _provider(_settings(data, config))
    target = _one(provider, server)
    if not isinstance(provider, CanScreenshot):
        raise ProviderCannot(provider.name, "show screens")
    picture = provider.screenshot(target.server.id)
    file.write_bytes(picture)
    say(f"Wrote {file}.")


def _settings(data: Path | None, file: Path | None) -> "ServeConfig":
    from rehost.control import config

    return config.override(config.load(file), data=data)


def _provider(settings: "ServeConfig") -> "Provider":
    from rehost.control.provider import open_provider

    return open_provider(settings)


def _inventory(provider: "Provider") -> "tuple[Inventory, ...]":
    from rehost.provider_errors import ProviderCannot
    from rehost.providers.base import CanList

    if not isinstance(provider, CanList):
        raise ProviderCannot(provider.name, "list its targets")
    return provider.inventory()


def _one(provider: "Provider", wanted: str) -> "Inventory":
    """The one whose id begins so. Raises TargetGone, TargetAmbiguous."""
    from rehost.provider_errors import TargetAmbiguous, TargetGone

    found = [t for t in _inventory(provider) if t.server.id.startswith(wanted)]
    exact = [t for t in found if t.server.id == wanted]
    if len(found) > 1 and not exact:
        raise TargetAmbiguous(wanted, tuple(t.server.id for t in found))
    if not found:
        raise TargetGone(wanted)
    return (exact or found)[0]


def _power_said(provider: "Provider", target: "Inventory") -> str:
    from rehost.errors import Error
    from rehost.providers.base import KnowsTrouble, Power

    trouble = ""
    if target.power is Power.ON and isinstance(provider, KnowsTrouble):
        with suppress(Error):
            trouble = provider.trouble(target.server.id)
    return f"{target.power}, but stands still: {trouble}" if trouble else str(target.power)


def _task(db: "Connection", target: "Inventory") -> "Task | None":
    from rehost.control.store import tasks

    return tasks.get(db, target.clone_of or target.server.id)


def _task_said(task: "Task | None") -> str:
    return f"{task.name}: {task.state}" if task else "none: deleted"


def _note(data: Path | None, config: Path | None, event: str, target: "Inventory") -> None:
    from rehost.control.store import identity

    with opened(data, config) as local, local.database.write() as db:
        note(db, identity.ensure_domain(db, DOMAIN), event, "targets", target.server.id)


def _insist_on_rest(target: "Inventory", task: "Task | None", todo: str) -> None:
    from rehost.model.task import BUSY_STATES
    from rehost.provider_errors import TargetOfTask

    if task is not None and (task.state in BUSY_STATES or task.active):
        raise TargetOfTask(target.server.id, task.id, task.state, todo)


def _insist_on_deletable(target: "Inventory", data: Path | None, config: Path | None) -> None:
    with opened(data, config) as local, local.database.read() as db:
        task = _task(db, target)
    if not target.clone_of:
        _insist_on_none(target, task)
    _insist_on_rest(target, task, "its copies are thrown away with clear")


def _insist_on_none(target: "Inventory", task: "Task | None") -> None:
    from rehost.provider_errors import TargetOfTask

    if task is not None:
        todo = "delete the task first; if it never succeeded, its target goes with it"
        raise TargetOfTask(target.server.id, task.id, task.state, todo)


def _insist_on_owner(data: Path) -> None:
    """A machine of another user's could not be stopped by the service."""
    from rehost.errors import BadConfiguration

    owner = data.stat().st_uid
    if owner != os.geteuid():
        raise BadConfiguration(
            f"the data folder {data} belongs to the user with number {owner}, and this one has "
            f"{os.geteuid()}; start targets as the service's user"
        )


def _gib(count: int) -> str:
    return f"{count / GIB:.1f} GiB"
