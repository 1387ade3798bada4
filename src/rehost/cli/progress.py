"""How a task goes, for people's eyes. Pure: decoded JSON of the task and its source in, rich
renderables and lines of text out.
"""

import json
import time
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from rehost.cli import units
from rehost.cli.bars import used_columns
from rehost.cli.document import Json, number, part, rows, text
from rehost.cli.look import Look

WIDEST = 100
# What people call the API's sub-tasks: the beginning of each name tells what it is.
PHASES = {
    "CREATE_CLOUD_SERVER": "create the target server",
    "SSL_CONFIG": "make certificates",
    "ATTACH_AGENT_IMAGE": "attach the target disks",
    "FORMAT_DISK": "get the disks ready",
    "MIGRATE_": "copy everything",
    "SYNC_": "copy what changes",
    "CLONE_VM": "clone the target",
    "CONFIGURE_": "make the disks bootable",
    "DETTACH_AGENT_IMAGE": "start the target",
}
# Once the agent is done.
BY_SERVICE = ("CONFIGURE_", "DETTACH_AGENT_IMAGE")
STATES = {
    "MIGRATE_SUCCESS": "bold green",
    "SYNC_SUCCESS": "bold green",
    "MIGRATE_FAIL": "bold red",
    "SYNC_FAIL": "bold red",
    "ABORT": "yellow",
    "ABORTING": "yellow",
    "READY": "",
}
DONE, TO_DO, NOW, FAILED = "green", "bright_black", "bold cyan", "bold red"


def draw(task: Json, source: Json, width: int, look: Look) -> Group:
    """The task: what it is, one bar for the whole, a line for each sub-task."""
    width = min(width, WIDEST)
    parts: list[RenderableType] = [header(task, look), "", *whole(task, source, width, look), ""]
    parts.append(sub_tasks(task, width, look))
    for waiting in absent(task, source):
        parts += ["", Text(f"{look.warn} {look.word(waiting)}", "yellow")]
    for failure in failures(task):
        parts += ["", Text(f"{look.error} ", "bold red").append(look.word(failure), "not bold")]
    return Group(*parts)


def header(task: Json, look: Look) -> Text:
    line = Text().append(look.word(text(task, "name")), "bold")
    line.append(f" {look.dot} {text(task, 'type')} {look.dot} ", "dim")
    line.append_text(state(task))
    ends = [text(part(task, end), "name") for end in ("source_server", "target_server")]
    arrow = f" {look.arrow} "
    return line.append(f"   {look.word(arrow.join(filter(None, ends)))}", "dim")


def state(task: Json) -> Text:
    return Text(text(task, "state"), STATES.get(text(task, "state"), "cyan"))


def whole(task: Json, source: Json, width: int, look: Look) -> Iterator[Text]:
    percent = percent_of(task)
    label = f" {percent:3} %"
    style = STATES.get(text(task, "state"), "cyan") or "cyan"
    yield bar(percent, max(10, width - len(label)), look, style).append(label, "bold")
    yield Text(_fitting(figures(task, source), width, look), "dim")


def figures(task: Json, source: Json) -> Iterator[str]:
    """How much, how fast, how long, how long still: what is known of it."""
    done, total = number(source, "replicatesize"), number(source, "totalsize")
    if total:
        yield f"{units.size(done)} of {units.size(total)}"
    if is_moving(task) and (speed := number(task, "migrate_speed")):
        yield f"{speed} Mbit/s"
    if is_moving(task) and (left := number(task, "remain_seconds")) is not None:
        yield f"about {units.duration(left)} left"
    if elapsed := number(task, "total_time"):
        yield f"{units.duration(elapsed)} so far" if is_busy(task) else units.duration(elapsed)
    if limit := number(task, "speed_limit"):
        yield f"limited to {limit} Mbit/s"


def sub_tasks(task: Json, width: int, look: Look) -> RenderableType:
    at = current(task)
    parts: list[RenderableType] = []
    for phase in rows(task, "sub_tasks"):
        parts.append(_sub_task(phase, width, look, _now(task, look) if phase is at else None))
        if phase is at and (trace := text(phase, "process_trace")):
            # What an operator waits for is in here, and may be long: it gets lines of its own.
            said = Text(look.word(trace).replace("; ", "\n"), "dim")
            parts.append(Padding(said, (0, 0, 0, 3)))
    return Group(*parts)


def _now(task: Json, look: Look) -> tuple[str, str]:
    """Sign and style of the sub-task that is being done, or would be."""
    if failures(task):
        return look.error, FAILED
    if text(task, "state") == "ABORT":
        return look.warn, STATES["ABORT"]  # stopped, as somebody wished
    return look.on, NOW


def _sub_task(phase: Json, width: int, look: Look, now: tuple[str, str] | None) -> Text:
    percent = number(phase, "progress") or 0
    done = number(phase, "end_date") is not None
    sign, style = now or ((look.ok, DONE) if done else (look.off, TO_DO))
    line = Text(no_wrap=True, overflow=look.overflow)
    line.append(f"{sign:<3}", style).append(f"{phase_name(phase):<25}", style if now else "")
    columns = max(8, min(30, width - 46))
    if percent and not done:
        line.append_text(bar(percent, columns, look, "cyan")).append(f" {percent:3} %")
    elif number(phase, "start_date") is not None:
        line.append(" " * (columns + 6))
    if done or (now and sign == look.on):
        line.append(f"  {_lasted(phase)}", "dim")
    return line


def line(task: Json, source: Json) -> str:
    """The same in one line of plain text, for pipes and logs."""
    at = current(task)
    where = f"{phase_name(at)} {number(at, 'progress') or 0} %" if at else ""
    parts = [text(task, "state"), f"{percent_of(task)} %", where, *figures(task, source)]
    return ", ".join(filter(None, (*parts, *absent(task, source), *failures(task))))


def bar(percent: int, columns: int, look: Look, style: str) -> Text:
    used = used_columns(percent, 100, columns)
    return Text().append(look.used * used, style).append(look.free * (columns - used), TO_DO)


def percent_of(task: Json) -> int:
    """Of the whole: as the service weighs the sub-tasks, or else all of them alike."""
    try:
        return int(json.loads(text(task, "subtask_info"))["progress"])
    except (ValueError, KeyError, TypeError):
        found = [number(phase, "progress") or 0 for phase in rows(task, "sub_tasks")]
        return sum(found) // len(found) if found else 0


def current(task: Json) -> Json | None:
    """The sub-task that is being done: the last one that has begun and has not ended."""
    begun = [p for p in rows(task, "sub_tasks") if number(p, "start_date") is not None]
    return next((p for p in reversed(begun) if number(p, "end_date") is None), None)


def phase_name(phase: Json) -> str:
    name = text(phase, "name")
    return next((said for begin, said in PHASES.items() if name.startswith(begin)), name)


def is_busy(task: Json) -> bool:
    return text(task, "state") in (
        "RUNNING",
        "SYNCING",
        "ABORTING",
        "SKIPPING",
        "DELETING",
        "RESETING",
    )


def is_moving(task: Json) -> bool:
    """The agent is at it, or about to be: what it told last of speed and time still counts."""
    at = current(task)
    return is_busy(task) and not (at and text(at, "name").startswith(BY_SERVICE))


def absent(task: Json, source: Json) -> list[str]:
    """That nothing can move, since the agent of the source is away."""
    if not is_busy(task) or source.get("connected", True):
        return []
    name = text(part(task, "source_server"), "name")
    return [f"The agent of {name} is not connected; the task waits for it."]


def failures(task: Json) -> list[str]:
    """What `error_json` says, as sentences; nothing while the task runs again."""
    document = text(task, "error_json")
    if not document or (is_busy(task) and text(task, "state") != "ABORTING"):
        return []
    try:
        parsed = json.loads(document)
    except ValueError:
        return [document]
    found = parsed if isinstance(parsed, list) else [parsed]
    sentences = [
        f"{text(e, 'error_code')} {text(e, 'error_msg')}".strip()
        for e in found
        if isinstance(e, dict)
    ]
    return [sentence for sentence in sentences if sentence]


def _fitting(parts: Iterator[str], width: int, look: Look) -> str:
    """As many as fit on a line, the most telling first."""
    line = ""
    for said in parts:
        longer = f"{line} {look.dot} {said}" if line else said
        if len(longer) > width:
            break
        line = longer
    return line


def _lasted(phase: Json) -> str:
    start, end = number(phase, "start_date"), number(phase, "end_date")
    if start is None:
        return ""
    return units.duration(max(0, int((end or time.time() * 1000) - start)) // 1000)
