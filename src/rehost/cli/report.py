"""A source for an administrator's eyes: what it is, its disks, checks, target, networks, task.

Pure: decoded JSON of GET /v3/sources/{id} in, rich renderables out.
"""

from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from rehost.cli import checks, device, picture, units
from rehost.cli.document import Json, is_true, number, part, rows, text
from rehost.cli.look import Look, state_style
from rehost.cli.picture import WIDEST


def draw(source: Json, width: int, look: Look) -> Group:
    """Everything, in the order in which one asks."""
    width = min(width, WIDEST)
    parts: list[RenderableType] = [header(source, width, look)]
    for name, section in (
        ("Disks", picture.draw(source, width, look)),
        ("Checks", checks.draw(rows(source, "checks"), width, look)),
        ("Recommended target", target(source, width, look)),
        ("Networks", networks(source, width)),
        ("Task", task(source, look)),
        *not_known(source, look),
    ):
        parts += ["", heading(name, width, look), section]
    return Group(*parts)


def not_known(source: Json, look: Look) -> Iterator[tuple[str, RenderableType]]:
    """What the agent could not find out, and why; nothing if it knows all."""
    missing = rows(part(source, "facts"), "missing")
    if missing:
        lines = (f"{text(one, 'fact')}: {text(one, 'reason')}" for one in missing)
        yield "Not known", Group(*(look.word(line) for line in lines))


def heading(name: str, width: int, look: Look) -> Text:
    dash = look.top[1]
    line = Text(f"{dash * 2} ", "bright_black").append(name, "bold cyan")
    return line.append(" " + dash * (min(width, WIDEST) - len(line) - 1), "bright_black")


def header(source: Json, width: int, look: Look) -> Panel:
    dot = f" {look.dot} "
    state = text(source, "state")
    first = Text().append(look.word(text(source, "name")), "bold")
    first.append("   ").append_text(connection(source, look))
    first.append("   ").append(state, state_style(state))
    if cycle := text(source, "migration_cycle"):
        first.append(f" ({cycle})", "dim")
    if agent := text(source, "agent_version"):
        first.append(f"   agent {agent}", "dim")
    return Panel(
        Group(first, look.word(dot.join(_machine(source))), Text(dot.join(_reach(source)), "dim")),
        box=box.ASCII if look.is_ascii else box.ROUNDED,
        border_style="bright_black",
        width=width,
    )


def connection(source: Json, look: Look) -> Text:
    if is_true(source, "connected"):
        return Text(f"{look.on} connected", "green")
    return Text(f"{look.off} not connected", "yellow")


def target(source: Json, width: int, look: Look) -> RenderableType:
    wanted = part(source, "init_target_server")
    if not wanted:
        return Text("None yet.", "dim")
    parts: list[RenderableType] = []
    for one in picture.devices(wanted, look):
        parts += ["", *device.sketch(one, width, look)]
    return Group(*parts[1:])


def networks(source: Json, width: int) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="dim", width=None)
    for column in ("Interface", "Address", "Gateway", "MTU", "MAC"):
        table.add_column(column, overflow="fold")
    for network in rows(source, "networks"):
        addresses = [_with_prefix(network), text(network, "ipv6")]
        table.add_row(
            Text(text(network, "name") or units.UNKNOWN, "bold"),
            "\n".join(filter(None, addresses)) or Text("none", "dim"),
            text(network, "gateway"),
            text(network, "mtu") if number(network, "mtu") else "",
            Text(text(network, "mac"), "dim"),
        )
    return table if table.row_count else Text("None is known.", "dim")


def task(source: Json, look: Look) -> RenderableType:
    current = part(source, "current_task")
    if not current:
        return Text("None: nothing is being migrated.", "dim")
    line = Text().append(look.word(text(current, "name")), "bold")
    line.append(f" {look.dot} {text(current, 'type')} {look.dot} ")
    line.append(text(current, "state"), "cyan")
    done, total = number(source, "replicatesize"), number(source, "totalsize")
    if total:
        share = units.percent(done, total)
        line.append(f" {look.dot} {units.size(done)} of {units.size(total)} copied ({share})")
    return line


def _machine(source: Json) -> list[str]:
    processors = number(source, "cpu_quantity")
    facts = part(source, "facts")
    return [
        *filter(None, (text(facts, "distribution"), text(source, "os_version"))),
        *filter(None, (text(source, "firmware"), text(facts, "architecture"))),
        units.plural(processors, "CPU") if processors else "CPUs not known",
        f"{units.memory(number(source, 'memory'))} memory",
    ]


def _reach(source: Json) -> list[str]:
    return [
        *filter(None, (text(source, "hostname"), text(source, "ip") or text(source, "ipv6"))),
        f"id {text(source, 'id')}",
    ]


def _with_prefix(network: Json) -> str:
    """192.0.2.17/24: shorter than a mask, and what people type."""
    address, mask = text(network, "ip"), text(network, "netmask")
    try:
        bits = sum(int(octet).bit_count() for octet in mask.split(".")) if mask else 0
    except ValueError:
        return f"{address} {mask}"
    return f"{address}/{bits}" if address and bits else address
