"""Watching a task until it rests: a picture that moves on a terminal, lines in a pipe."""

import contextlib
import time
from collections.abc import Callable, Collection, Iterator

from rich.live import Live

from rehost.cli import output, progress
from rehost.cli.document import Json, part, text
from rehost.cli.exits import Exit
from rehost.contract.client import Client, segment
from rehost.contract.retry import Backoff, retry
from rehost.errors import Error

SUCCESS = frozenset({"MIGRATE_SUCCESS", "SYNC_SUCCESS"})
FAILURE = frozenset({"MIGRATE_FAIL", "SYNC_FAIL", "ABORT"})
# A service that restarts must not end the watching; one that is gone must, in the end.
PATIENCE = Backoff(base_s=0.5, cap_s=5, attempts=12)
EVERY_S = 10.0  # in a pipe a line at most so often, unless something else than figures changed


def _never(_: Json) -> bool:
    return False


def watch(
    client: Client,
    task_id: str,
    *,
    interval_s: float,
    until: Collection[str] = (),
    enough: Callable[[Json], bool] = _never,
) -> Exit:
    """Show the task until it has succeeded, failed or been stopped, or is in a state of `until`, or
    is `enough`.

    The exit code says which. Interrupting it does nothing to the task.
    """
    out = output.console()
    show = _picture() if out.is_terminal else _lines()
    with show as draw:
        while True:
            task, source = retry(
                lambda: _fetch(client, task_id), backoff=PATIENCE, on_failure=say_again
            )
            draw(task, source)
            state = text(task, "state")
            if state in until or state in SUCCESS or enough(task):
                return Exit.OK
            if state in FAILURE:
                return Exit.FAILED
            time.sleep(interval_s)


def _fetch(client: Client, task_id: str) -> tuple[Json, Json]:
    """The task, and its source: that has the bytes."""
    task = client.call("GET", f"/v3/tasks/{segment(task_id)}").body
    source_id = text(part(task, "source_server"), "id")
    return task, client.call("GET", f"/v3/sources/{segment(source_id)}").body


def say_again(error: Error) -> None:
    """What the service is asked again for."""
    output.note(f"{error}; trying again")


@contextlib.contextmanager
def _picture() -> Iterator[Callable[[Json, Json], None]]:
    out = output.console()
    look = output.look(out)
    with Live(console=out, auto_refresh=False, vertical_overflow="crop") as live:

        def draw(task: Json, source: Json) -> None:
            live.update(progress.draw(task, source, out.width, look), refresh=True)

        yield draw


@contextlib.contextmanager
def _lines() -> Iterator[Callable[[Json, Json], None]]:
    """Each change of state or sub-task at once, and figures now and then."""
    shown: tuple[str, str] | None = None
    due = 0.0

    def draw(task: Json, source: Json) -> None:
        nonlocal shown, due
        at = progress.current(task)
        now = (text(task, "state"), text(at, "name") if at else "")
        if now != shown or time.monotonic() >= due:
            print(progress.line(task, source), flush=True)
            shown, due = now, time.monotonic() + EVERY_S

    yield draw
