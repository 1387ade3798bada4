"""Tables of many sources. Pure: decoded JSON in, rich renderables out."""

import json
from collections import Counter
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rehost.cli import bars, checks, progress, units
from rehost.cli.bars import Segment
from rehost.cli.document import Json, is_true, number, part, rows, text
from rehost.cli.look import Kind, Look, state_style

NEVER_CUT = ("When", "From", "Address", "Agent", "State", "Checks", "Done", "Created")


def sources(found: list[Json], look: Look, *, id_length: int | None = None) -> Table:
    """`id_length` cuts ids for the eye; the beginning of an id is enough for every command."""
    table = _table("Name", "Id", "Address", "System", "Agent", "State", "Checks")
    for source in found:
        table.add_row(
            Text(look.word(text(source, "name")), "bold"),
            Text(text(source, "id")[:id_length], "dim"),
            text(source, "ip") or text(source, "ipv6"),
            text(source, "os_version").removesuffix("_64BIT"),
            _agent(source, look),
            _state(source),
            _checks(rows(source, "checks"), look),
        )
    return table


def telling_length(ids: Sequence[str], *, least: int = 8) -> int:
    """How much of each id tells it from the others."""
    whole = max(map(len, ids), default=least)
    return next(
        (n for n in range(least, whole) if len({i[:n] for i in ids}) == len(set(ids))), whole
    )


def overview(counts: Json, width: int, look: Look) -> RenderableType:
    """A bar of all sources by state, and the numbers; states nobody is in are left out."""
    # Unconfigured sources are waiting ones, counted there already.
    states = {name: number(counts, name) or 0 for name in counts if name != "unconfigured"}
    present = {name: count for name, count in states.items() if count}
    total = Text(units.plural(sum(present.values()), "source server"), "bold")
    if unconfigured := number(counts, "unconfigured"):
        total.append(f", {unconfigured} without a task", "not bold dim")
    if not present:
        return total
    segments = [
        Segment(
            kind=Kind(name, state_style(name)),
            size=count,
            used=count,
            labels=(f"{name} {count}", name, str(count)),
        )
        for name, count in present.items()
    ]
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, count in present.items():
        table.add_row(Text(look.square, state_style(name)), name, Text(str(count), justify="right"))
    *bar, _ = bars.draw(segments, min(width, 80), look)
    return Group(total, *bar, table)


def tasks(found: list[Json], look: Look, *, id_length: int | None = None) -> Table:
    """A line for each task: what it moves, where it is, how far."""
    table = _table("Name", "Id", "Source", "Target", "State", "Done", "Created")
    for task in found:
        table.add_row(
            Text(look.word(text(task, "name")), "bold"),
            Text(text(task, "id")[:id_length], "dim"),
            look.word(text(part(task, "source_server"), "name")),
            look.word(text(part(task, "target_server"), "name")),
            progress.state(task),
            Text(f"{progress.percent_of(task)} %", justify="right"),
            units.ago(number(task, "create_date")),
        )
    return table


def templates(found: list[Json], look: Look) -> Table:
    """`Networks`: of the interfaces, in their order."""
    table = _table("Name", "Id", "Size", "Networks", "Disks", "Target")
    for template in found:
        disks = (f"{text(d, 'name')} {text(d, 'size')} GiB" for d in rows(template, "disk"))
        table.add_row(
            Text(look.word(text(template, "name")), "bold"),
            Text(text(template, "id"), "dim"),
            look.word(text(template, "flavor")),
            look.word(", ".join(text(nic, "id") for nic in rows(template, "nics"))),
            look.word(", ".join(disks)),
            look.word(text(template, "target_server_name")),
        )
    return table


def migprojects(found: list[Json], look: Look) -> Table:
    table = _table("Name", "Id", "Default", "Copies", "Target", "Limit", "Description")
    for project in found:
        limit = number(project, "speed_limit")
        table.add_row(
            Text(look.word(text(project, "name")), "bold"),
            Text(text(project, "id"), "dim"),
            look.ok if is_true(project, "isdefault") else "",
            "keeps in step" if is_true(project, "syncing") else "once",
            "started" if is_true(project, "start_target_server") else "left off",
            f"{limit} Mbit/s" if limit else "none",
            look.word(text(project, "description")),
        )
    return table


def speed_limits(found: list[Json]) -> Table:
    table = _table("From", "To", "Mbit/s")
    for row in found:
        speed = number(row, "speed")
        table.add_row(text(row, "start"), text(row, "end"), str(speed) if speed else "no limit")
    return table


def errors(found: list[Json], look: Look) -> Table:
    table = _table("Name", "Id", "Address", "Error")
    for error in found:
        table.add_row(
            Text(look.word(text(error, "name")), "bold"),
            Text(text(error, "source_id"), "dim"),
            text(error, "source_ip"),
            look.word(_error_texts(text(error, "error_json"))),
        )
    return table


def audit(entries: list[Json], look: Look) -> Table:
    table = _table("When", "Who", "From", "Event", "Resource", "Result")
    for entry in entries:
        failed = text(entry, "error_code")
        who = text(entry, "caller") or f"{text(entry, 'caller_kind')} {text(entry, 'caller_id')}"
        table.add_row(
            units.moment(number(entry, "at")),
            Text(look.word(who.strip()), "bold"),
            text(entry, "client_ip"),
            text(entry, "event"),
            Text(look.word(text(entry, "resource_id")), "dim"),
            Text(f"{number(entry, 'status')} {failed}", "red") if failed else Text("done", "green"),
        )
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in NEVER_CUT)
    return table


def _agent(source: Json, look: Look) -> Text:
    if is_true(source, "connected"):
        return Text(f"{look.on} on", "green")
    since = units.ago(number(source, "last_visit_time"))
    return Text(f"{look.off} {since or 'never'}", "yellow")


def _state(source: Json) -> Text:
    return Text(text(source, "state"), state_style(text(source, "state")))


def _checks(found: list[Json], look: Look) -> Text:
    """The worst result, and how often: "X 2", "! 1", "ok"."""
    count = Counter(text(check, "result") for check in found)
    for result, sign in (("ERROR", look.error), ("WARN", look.warn)):
        if count[result]:
            return Text(f"{sign} {count[result]}", checks.STYLES[result])
    return Text(look.ok, checks.STYLES["OK"]) if found else Text("")


def _error_texts(document: str) -> str:
    """`error_json` is JSON in a string; of another service perhaps in another form."""
    try:
        parsed = json.loads(document)
    except ValueError:
        return document
    found = parsed if isinstance(parsed, list) else [parsed]
    sentences = [
        f"{text(e, 'error_code')} {text(e, 'error_msg') or text(e, 'error_or_warn')}".strip()
        for e in found
        if isinstance(e, dict)
    ]
    return "\n".join(filter(None, sentences)) or document
