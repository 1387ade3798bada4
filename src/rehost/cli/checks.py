"""The table of checks: what stands in the way first, and what to do about it."""

from collections import Counter

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rehost.cli.document import Json, text
from rehost.cli.look import Look
from rehost.cli.units import plural

ORDER = ("ERROR", "WARN", "OK")
STYLES = {"ERROR": "bold red", "WARN": "yellow", "OK": "green"}


def draw(checks: list[Json], width: int, look: Look) -> RenderableType:
    """Errors, then warnings, then what passed; otherwise in the service's order."""
    if not checks:
        return Text("Not checked yet.", "dim")
    table = Table(box=None, pad_edge=False, header_style="dim", width=width)
    table.add_column("Result", overflow="fold", min_width=7)
    table.add_column("Check", overflow="fold", min_width=18)
    table.add_column("Code", overflow="fold", style="dim")
    table.add_column("What was found, and what to do", ratio=1, overflow="fold")
    for check in sorted(checks, key=_rank):
        result = text(check, "result")
        table.add_row(
            mark(result, look),
            Text(look.word(text(check, "name")), "dim" if result == "OK" else "bold"),
            text(check, "error_code"),
            _message(check, look),
        )
    return Group(summary(checks, look), "", table)


def summary(checks: list[Json], look: Look) -> Text:
    """One line: can it be migrated?"""
    count = Counter(text(check, "result") for check in checks)
    found = [plural(count["ERROR"], "error"), plural(count["WARN"], "warning")]
    line = Text(f" {look.dot} ".join([*found, f"{count['OK']} passed"]) + "  ")
    if count["ERROR"]:
        return line + Text("This source cannot be migrated as it is.", "bold red")
    if count["WARN"]:
        return line + Text("It can be migrated; read the warnings first.", "yellow")
    return line + Text("It can be migrated.", "green")


def mark(result: str, look: Look) -> Text:
    sign = {"OK": look.ok, "WARN": look.warn, "ERROR": look.error}.get(result, "")
    return Text(f"{sign} {result}".strip(), STYLES.get(result, ""))


def _rank(check: Json) -> int:
    result = text(check, "result")
    return ORDER.index(result) if result in ORDER else 0


def _message(check: Json, look: Look) -> Text:
    """The service's sentence; one that has its remedy apart gets a line for it."""
    message = Text(look.word(text(check, "error_or_warn")))
    if remedy := text(check, "remedy"):
        message.append(f"\n{look.arrow} {look.word(remedy)}", "cyan")
    return message
