"""LVM2: its label on a physical volume, and what vgs, pvs and lvs print.

Formats: lib/format_text/layout.h of lvm2; lvmreport(7). The tools are asked for columns between
separators, not for JSON, because every version since 2.02 prints those and no name can hold a "|".
"""

from collections.abc import Iterator
from dataclasses import dataclass

from rehost.errors import BadFormat
from rehost.storage.content import Content, expect, text

OFFSET, SIZE = 0, 2048  # the label is in one of the first four sectors
SECTOR = 512
UUID_GROUPS = (6, 4, 4, 4, 4, 4, 6)

# Read-only: no lock, no metadata backup, no hints file.
OPTIONS = (
    "--readonly",
    "--config",
    'devices{hints="none"} backup{backup=0 archive=0}',
    "--noheadings",
    "--units",
    "b",
    "--nosuffix",
    "--separator",
    "|",
)
VGS = ("vgs", *OPTIONS, "-o", "vg_name,vg_size,vg_free")
PVS = ("pvs", *OPTIONS, "-o", "pv_name,vg_name,pv_size,pv_used")
LVS = ("lvs", *OPTIONS, "-o", "vg_name,lv_name,lv_size,lv_attr")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    name: str
    size: int
    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Physical:
    """A physical volume; `group` is "" if it belongs to none."""

    device: str
    group: str
    size: int
    used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Logical:
    group: str
    name: str
    size: int
    attributes: str

    @property
    def path(self) -> str:
        """Its /dev/mapper path, where a hyphen in a name is doubled."""
        return "/dev/mapper/" + "-".join(n.replace("-", "--") for n in (self.group, self.name))


def parse(head: bytes) -> Content:
    """Raises BadFormat unless this is the beginning of a physical volume."""
    for at in range(0, SIZE, SECTOR):
        label = head[at : at + SECTOR]
        if label.startswith(b"LABELONE") and label[24:32] == b"LVM2 001":
            return Content(file_system="LVM2_member", uuid=_uuid(text(label[32:64])))
    raise BadFormat("no LVM label")


def parse_groups(printed: str) -> Iterator[Group]:
    """What VGS prints. Raises BadFormat."""
    for name, size, free in _rows(printed, columns=3):
        yield Group(name=name, size=_number(size), free=_number(free))


def parse_physical(printed: str) -> Iterator[Physical]:
    """What PVS prints. Raises BadFormat."""
    for device, group, size, used in _rows(printed, columns=4):
        yield Physical(device=device, group=group, size=_number(size), used=_number(used))


def parse_logical(printed: str) -> Iterator[Logical]:
    """What LVS prints. Raises BadFormat."""
    for group, name, size, attributes in _rows(printed, columns=4):
        yield Logical(group=group, name=name, size=_number(size), attributes=attributes)


def _rows(printed: str, *, columns: int) -> Iterator[list[str]]:
    for line in filter(str.strip, printed.splitlines()):
        row = line.strip().split("|")
        expect(len(row) == columns, f"not {columns} columns: {line[:100]}")
        yield row


def _number(digits: str) -> int:
    try:
        return int(digits)
    except ValueError as e:
        raise BadFormat(f"{digits[:100]!r} is no number of bytes") from e


def _uuid(letters: str) -> str:
    groups, at = [], 0
    for size in UUID_GROUPS:
        groups.append(letters[at : at + size])
        at += size
    return "-".join(groups)
