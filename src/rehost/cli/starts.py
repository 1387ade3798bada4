"""rehost tasks test, clear, rollback, launches, console, screenshot: whether targets start."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from rehost.cli import output, session
from rehost.cli.document import Json, text
from rehost.cli.exits import Exit
from rehost.cli.find import task_id
from rehost.cli.tasks import AsJson, Task, Tasks, act, commands
from rehost.contract.client import Client, segment
from rehost.contract.retry import retry

__all__ = ["commands"]

LOOK_EVERY_S = 1.0

OfTest = Annotated[bool, typer.Option("--test", help="Of the test, not of the target itself.")]


@commands.command("test")
def try_(
    task: Task,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Stay until it is up.")] = False,
    drill: Annotated[
        bool, typer.Option("--drill", help="As a migration drill: the source shows its outcome.")
    ] = False,
    template: Annotated[
        str | None, typer.Option(help="Server template for the copy's size: its id or name.")
    ] = None,
) -> None:
    """Start a copy of the target, which reaches nobody, while the task goes on.

    The copy is what its source was at one moment. `rehost tasks clear` throws it away.
    """
    operation = "migration_test" if drill else "clone_test"
    act([task], operation, "To be tested", template=template)
    if watch:
        client = session.connect()
        launch = _until_verdict(client, task_id(client, task))
        _show(launch)
        if not _is_good(launch):
            raise typer.Exit(Exit.FAILED)


@commands.command()
def clear(tasks: Tasks) -> None:
    """Throw copies of targets away that were started as a test."""
    act(tasks, "clear", "Its test is thrown away")


@commands.command()
def rollback(tasks: Tasks) -> None:
    """Undo a cutover: the target is turned off and loses what it wrote; its disks stay as they were
    copied, and `start` goes on with keeping them in step."""
    act(tasks, "sync_failed_rollback", "Rolled back")


@commands.command()
def launches(task: Task, as_json: AsJson = False) -> None:
    """Show whether the target, and the last test of it, came up, and what was done for that."""
    client = session.connect()
    answer = _launches(client, task_id(client, task))
    if as_json:
        output.show_json(answer)
        return
    from rehost.cli import launches as picture

    found = picture.every(answer)
    if not found:
        output.note(f"Nothing of {task} has been started. To try it: rehost tasks test {task}")
    for launch in found:
        _show(launch)


@commands.command()
def console(task: Task, test: OfTest = False) -> None:
    """Print what the target said on its serial console until it was up, or not."""
    client = session.connect()
    path = f"/v3/rehost/tasks/{segment(task_id(client, task))}/launches/{_kind(test)}/console"
    sys.stdout.buffer.write(client.download(path))


@commands.command()
def screenshot(
    task: Task,
    to: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write. [TASK.png]")
    ] = None,
    test: OfTest = False,
) -> None:
    """Fetch a picture of the target's screen as it came up, or did not."""
    client = session.connect()
    wanted = task_id(client, task)
    file = to or Path(f"{wanted}.png")
    path = f"/v3/rehost/tasks/{segment(wanted)}/launches/{_kind(test)}/screenshot"
    file.write_bytes(client.download(path))
    print(file)


def _until_verdict(client: Client, wanted: str) -> Json:
    """The test once there is a verdict on it; what it waits for is said meanwhile."""
    from rehost.cli import launches as picture
    from rehost.cli.watch import PATIENCE, say_again

    said = ""
    while True:
        answer = retry(lambda: _launches(client, wanted), backoff=PATIENCE, on_failure=say_again)
        launch = next((each for each in picture.every(answer) if text(each, "kind") == "test"), {})
        if not picture.is_under_way(launch):
            return launch
        now, _ = picture.verdict(launch)
        if now != said:
            output.note(f"{now} ...")
            said = now
        time.sleep(LOOK_EVERY_S)


def _launches(client: Client, wanted: str) -> Json:
    answer: Json = client.call("GET", f"/v3/rehost/tasks/{segment(wanted)}/launches").body
    return answer


def _show(launch: Json) -> None:
    from rehost.cli import launches as picture

    out = output.console()
    output.show(picture.draw(launch, output.look(out)), out)


def _is_good(launch: Json) -> bool:
    from rehost.cli import launches as picture

    return picture.is_good(launch)


def _kind(test: bool) -> str:
    return "test" if test else "final"
