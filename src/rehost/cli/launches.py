"""Starts of targets, for people's eyes: what was done, whether it came up, what it said. Pure."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rehost.cli import units
from rehost.cli.document import Json, is_true, number, part, rows, text, texts
from rehost.cli.look import Look
from rehost.model.printable import printable

UNDER_WAY = ("wanted", "cloning", "starting", "clearing")
STATES = {
    "wanted": "waits for a moment at which the source stands still",
    "cloning": "the target's disks are copied",
    "starting": "it is started",
    "failed": "could not be made",
    "clearing": "it is thrown away",
    "done": "made ready, and left off",
    "stopped": "was not started, or turned off before it was up: the task says why",
}
OUTCOMES = {
    "up": ("up", "bold green"),
    "failed": ("did not come up", "bold red"),
    "unknown": ("started, nobody knows whether it is up", "yellow"),
}


def draw(launch: Json, look: Look) -> RenderableType:
    """One start: its verdict, then what is known of it, then the end of its console."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, said in _facts(launch):
        facts.add_row(name, look.word(said))
    parts: list[RenderableType] = [headline(launch, look), Padding(facts, (0, 0, 0, 2))]
    if lines := texts(launch, "last_lines"):
        heard = Text("\n".join(look.word(line) for line in lines), "dim", no_wrap=True)
        parts += [Padding(Text("it said last", "dim"), (0, 0, 0, 2)), Padding(heard, (0, 0, 0, 4))]
    return Group(*parts)


def headline(launch: Json, look: Look) -> Text:
    """What it is, and how it stands."""
    test = "Migration drill" if is_true(launch, "is_drill") else "Test of the target"
    what = test if text(launch, "kind") == "test" else "The target"
    said, style = verdict(launch)
    return Text(what, "bold").append(f" {look.dot} ", "dim").append(look.word(said), style)


def verdict(launch: Json) -> tuple[str, str]:
    """In words, and how to show them."""
    outcome, why = text(launch, "outcome"), text(launch, "why")
    if outcome in OUTCOMES:
        said, style = OUTCOMES[outcome]
        return (f"{said}: {why}" if why else said), style
    state = text(launch, "state")
    if state == "starting" and not is_true(launch, "stands"):
        state = "stopped"
    said = STATES.get(state, state)
    style = "bold red" if state == "failed" else "bold cyan" if state in UNDER_WAY else ""
    return (f"{said}: {why}" if why and state == "wanted" else said), style


def is_under_way(launch: Json) -> bool:
    return text(launch, "state") in UNDER_WAY


def is_good(launch: Json) -> bool:
    """It came up, or nobody could see that it did not."""
    return text(launch, "state") == "done" and text(launch, "outcome") != "failed"


def _facts(launch: Json) -> Iterator[tuple[str, str]]:
    error = part(launch, "error")
    if error:
        yield "why", f"{text(error, 'error_code')} {text(error, 'error_msg')}"
    if cut := number(launch, "cut_at"):
        frozen = launch.get("frozen_ms")
        stood = f", stood still for {frozen:.0f} ms" if isinstance(frozen, int | float) else ""
        yield "source as of", f"{units.moment(cut)}{stood}"
    for path, reason in _pairs(launch, "not_frozen"):
        yield "did not stand still", f"{path}: {reason}"
    for hook in texts(launch, "failed_hooks"):
        yield "program that failed", hook
    for change in texts(launch, "changed"):
        yield "changed", change
    yield from _times(launch)
    for unit in texts(launch, "failed_units"):
        yield "failed unit", unit
    if server := text(launch, "server_id"):
        gone = "" if is_true(launch, "stands") else " (off; its disks are as copied)"
        yield "server", f"{server}{gone}"


def _times(launch: Json) -> Iterator[tuple[str, str]]:
    boot, up = number(launch, "boot_at"), number(launch, "up_at")
    if boot is None:
        return
    on = text(launch, "runs_on")
    yield "started", f"{units.moment(boot)}{f', {on}' if on else ''}"
    if up is not None:
        yield "up after", units.duration(max(0, up - boot) // 1000)
    if (down := number(launch, "downtime_ms")) is not None:
        yield "downtime", f"{units.duration(down // 1000)} from that moment until it was up"


def _pairs(launch: Json, name: str) -> Iterator[tuple[str, str]]:
    for pair in launch.get(name) or ():
        if isinstance(pair, list) and len(pair) == 2:
            yield printable(pair[0]), printable(pair[1])


def every(answer: Json) -> list[Json]:
    return rows(answer, "launches")
