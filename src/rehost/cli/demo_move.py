"""The demo's migration of a whole machine: kept in step, tried, cut over, and held to account."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from rehost.cli import demo_console as consoles
from rehost.cli import launches, output
from rehost.cli.demo_service import heading, say, step
from rehost.cli.demo_source import RECORDS, Record, Source
from rehost.cli.document import Json, text
from rehost.cli.progress import current
from rehost.cli.watch import watch
from rehost.contract.client import Client, segment
from rehost.demo_errors import DemoFailed, RecordsLost

LOOK_S = 0.3
IN_STEP_S = 6.0  # how long one sees it being kept in step
TYPED_S = 300.0
NAME = "old-server"
# Records of the source, those that are out of order, and those of the target's own.
COUNT = "awk -v boot={boot} '$2 == boot {{n++; if ($1 != n) bad++}} END {{print n+0, bad+0, NR-n}}'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """`folder` is the target server's."""

    folder: Path


def move(out: Console, client: Client, source_id: str, source: Source, data: Path) -> Moved:
    """Migrate the source and show how that goes. Raises Error, DemoFailed too."""
    task_id = _create(client, source_id)
    heading(out, "Everything is copied while it works")
    _watch(out, client, task_id, until=("SYNCING",))
    heading(out, "It is kept in step")
    _watch(out, client, task_id, enough=_for_a_while())
    if not out.is_terminal:  # lines of plain text have no room for it
        _show_lag(out, client, task_id)
    _show_last(out, source)
    heading(out, "A test: a copy of the target starts, and reaches nobody")
    _try(out, client, task_id)
    heading(out, "The cutover")
    _show_last(out, source)
    _act(client, task_id, "cutover")
    _watch(out, client, task_id)
    final = _launch(client, task_id, "final")
    out.print()
    output.show(launches.draw(final, output.look(out)), out)
    if not launches.is_good(final):
        raise DemoFailed("the target", "did not come up")
    folder = data / "targets" / text(final, "server_id")
    heading(out, "Is it all there?")
    _prove(out, source, folder, final)
    return Moved(folder=folder)


def _create(client: Client, source_id: str) -> str:
    body = {
        "name": NAME,
        "type": "MIGRATE_BLOCK",
        "source_server": {"id": source_id},
        "target_server": {"name": NAME, "vm_id": ""},
        **dict.fromkeys(("region_name", "region_id", "project_name", "project_id"), "local"),
        "syncing": True,
        "start_target_server": True,
        "auto_start": True,
    }
    return text(client.call("POST", "/v3/tasks", body=body).body, "id")


def _act(client: Client, task_id: str, operation: str) -> None:
    path = f"/v3/tasks/{segment(task_id)}/action"
    client.call("POST", path, body={"operation": operation})


def _watch(
    out: Console,
    client: Client,
    task_id: str,
    *,
    until: tuple[str, ...] = (),
    enough: Callable[[Json], bool] = lambda _: False,
) -> None:
    out.file.flush()
    if watch(client, task_id, interval_s=LOOK_S, until=until, enough=enough):
        task = client.call("GET", f"/v3/tasks/{segment(task_id)}").body
        raise DemoFailed("the migration", f"ended in state {text(task, 'state')}")


def _for_a_while() -> Callable[[Json], bool]:
    """Once the task has said for a moment how far it is behind."""
    since: list[float] = []

    def enough(task: Json) -> bool:
        if "behind" in text(current(task) or {}, "process_trace") or since:
            since.append(time.monotonic())
        return bool(since) and since[-1] - since[0] >= IN_STEP_S

    return enough


def _try(out: Console, client: Client, task_id: str) -> None:
    began = time.monotonic()
    _act(client, task_id, "clone_test")
    with step(out, "starting a copy as of this moment") as say_step:
        while launches.is_under_way(test := _launch(client, task_id, "test")):
            said, _ = launches.verdict(test)
            say_step(f"{said} ({time.monotonic() - began:.0f} s)")
            time.sleep(LOOK_S)
    out.print()
    output.show(launches.draw(test, output.look(out)), out)
    if not launches.is_good(test):
        raise DemoFailed("the test", "did not come up")
    _act(client, task_id, "clear")
    with step(out, "throwing the copy away"):
        while launches.is_under_way(_launch(client, task_id, "test")):
            time.sleep(LOOK_S)


def _launch(client: Client, task_id: str, kind: str) -> Json:
    """The last start of this kind; empty if there is none."""
    answer = client.call("GET", f"/v3/rehost/tasks/{segment(task_id)}/launches").body
    return next((each for each in launches.every(answer) if text(each, "kind") == kind), {})


def _show_lag(out: Console, client: Client, task_id: str) -> None:
    task = client.call("GET", f"/v3/tasks/{segment(task_id)}").body
    for said in text(current(task) or {}, "process_trace").split("; "):
        out.print(said, style="dim", markup=False)


def _show_last(out: Console, source: Source) -> None:
    out.print(f"The source works on: record {source.witness.last} of its ledger.", style="dim")


def _prove(out: Console, source: Source, folder: Path, final: Json) -> None:
    """What the source acknowledged before the cut, the target has. Raises RecordsLost."""
    last = source.witness.before_cut
    if last is None:
        raise DemoFailed("the source", "did not say that a cut was about to begin")
    with consoles.connected(folder / "console.sock") as console:
        with step(out, "logging in on the target's console"):
            console.type("\n")  # what it said before is lost
            console.log_in(limit_s=TYPED_S)
        about = console.run("hostname; cat /etc/machine-id; uname -r", limit_s=TYPED_S)
        failed = console.run("systemctl list-units --failed --plain --no-legend", limit_s=TYPED_S)
        count = f"{COUNT.format(boot=last.boot)} {RECORDS}"
        found, wrong, own = map(int, console.run(count, limit_s=TYPED_S).split())
    say(out, "Target", ", ".join(about.split()))
    say(out, "Units", f"failed: {failed.strip() or 'none'}")
    _show_ledger(out, last, found, own)
    if found < last.number or wrong:
        raise RecordsLost(last.number, f"{found}, {wrong} of them out of order")


def _show_ledger(out: Console, last: Record, found: int, own: int) -> None:
    say(out, "Ledger", f"{last.number} records were acknowledged before the cut began")
    say(
        out,
        "",
        f"{found} records of the source are on the target, in order, up to {found} {last.boot}",
    )
    say(out, "", f"{own} more the target has written itself since it started")
