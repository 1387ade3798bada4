"""One device as a picture: a title, its bar, and a row for each thing on it."""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rehost.cli import bars, units
from rehost.cli.bars import Segment
from rehost.cli.look import EMPTY, OTHER, Kind, Look, kind_of

NEGLIGIBLE = 1 << 24  # bytes; alignment and partition tables leave such gaps on every disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Something that takes room on a device.

    `place`: where it is mounted, or what is built on it; `taken`: what is built has it all.
    """

    name: str
    contents: str
    place: str = ""
    size: int | None = None
    used: int | None = None
    kind: Kind | None = None
    number: str = ""
    taken: bool = False

    @property
    def shown_kind(self) -> Kind:
        return self.kind or (kind_of(self.contents) if self.contents else OTHER)

    def segment(self) -> Segment:
        words = [self.name, self.contents, self.place, units.size(self.size)]
        labels = (
            "  ".join(filter(None, words)),
            "  ".join(filter(None, [self.name, self.place])),
            self.name,
            self.number,
        )
        size = self.size or 0
        used = size if self.used is None and self.taken else self.used
        return Segment(kind=self.shown_kind, size=size, used=used, labels=labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """`rest` names what no item takes ("unallocated", "free").

    `passes_on`: it does nothing but carry another device, and is drawn as a title only.
    """

    name: str
    facts: tuple[str, ...]
    size: int | None
    used: int | None
    items: tuple[Item, ...]
    rest: str = "unallocated"
    passes_on: bool = False

    def all_items(self) -> tuple[Item, ...]:
        """With what is left; an item of unknown size leaves the rest unknown too."""
        left = (self.size or 0) - sum(item.size or 0 for item in self.items)
        if left <= NEGLIGIBLE or any(item.size is None for item in self.items):
            return self.items
        return (*self.items, Item(name=self.rest, contents="", size=left, used=0, kind=EMPTY))


def draw(device: Device, width: int, look: Look) -> Iterator[RenderableType]:
    """A picture `width` columns wide."""
    yield _title(device, width, look)
    if device.passes_on:
        return
    items = device.all_items()
    *bar, labels = bars.draw([item.segment() for item in items], width, look)
    yield from bar
    if len(items) > 1:  # else the label would be the row again
        yield labels
    yield Padding(_table(items, width - 1, look), (0, 0, 0, 1))


def sketch(device: Device, width: int, look: Look) -> Iterator[RenderableType]:
    """Title and bar with labels, without the rows."""
    yield _title(device, width, look)
    yield from bars.draw([item.segment() for item in device.all_items()], width, look)


def _title(device: Device, width: int, look: Look) -> Text:
    dot = f" {look.dot} "
    title = Text(no_wrap=True).append(look.word(device.name), "bold")
    title.append(dot + dot.join(filter(None, (units.size(device.size), *device.facts))))
    used = _used(device.used, device.size)
    gap = width - cell_len(title.plain) - cell_len(used)
    if used and gap >= 2:
        title.append(" " * gap + used, "dim")
    title.truncate(width, overflow=look.overflow)
    return title


def _used(used: int | None, size: int | None) -> str:
    if used is None:
        return ""
    share = units.percent(used, size)
    return f"{units.size(used)} used" + (f" ({share})" if share else "")


def _table(items: tuple[Item, ...], width: int, look: Look) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0), expand=False)
    table.width = width
    table.add_column(width=1)
    table.add_column(min_width=12, overflow="fold")
    table.add_column(min_width=8, overflow="fold")
    table.add_column(ratio=1, overflow="fold")
    table.add_column(width=8, justify="right", overflow="fold")
    table.add_column(width=20, justify="right", overflow="fold", style="dim")
    for item in items:
        empty = item.kind is EMPTY
        table.add_row(
            Text(" " if empty else look.square, item.shown_kind.style),
            Text(look.word(item.name), "dim" if empty else "bold"),
            Text(look.word(item.contents), item.shown_kind.style),
            Text(look.word(item.place)),
            Text(units.size(item.size), "dim" if empty else ""),
            "" if empty else _used(item.used, item.size),
        )
    return table
