"""A btrfs filesystem as a picture: the tree of its subvolumes.

Its bar is drawn only if it has several devices; else it would be its partition's once more.
"""

from collections.abc import Iterator

from rich.console import Group
from rich.text import Text

from rehost.cli import device
from rehost.cli.device import Device, Item
from rehost.cli.document import Json, is_true, number, rows, split, text
from rehost.cli.look import BTRFS, Look
from rehost.cli.units import plural

TOP_LEVEL = "5"  # the id of the subvolume that holds all others
SNAPSHOTS_SHOWN = 5  # a snapper machine has hundreds


def draw(document: Json, width: int, look: Look) -> Group:
    title, *bar = device.draw(as_device(document), width, look)
    several = len(split(document, "device")) > 1
    return Group(title, *(bar if several else ()), *_tree(document, width, look))


def as_device(document: Json) -> Device:
    devices = [path.removeprefix("/dev/") for path in split(document, "device")]
    name = text(document, "label") or text(document, "name").removeprefix("/dev/") or "btrfs"
    size, used = number(document, "size"), number(document, "g_vol_used_size")
    profiles = [
        f"{what} {text(document, field)}"
        for what, field in (("data", "data_profile"), ("metadata", "metadata_profile"))
        if text(document, field)
    ]
    item = Item(
        name=" + ".join(devices) or name, contents="btrfs", size=size, used=used, kind=BTRFS
    )
    return Device(
        name=name,
        facts=("btrfs filesystem", *profiles),
        size=size,
        used=used,
        items=(item,),
    )


def _tree(document: Json, width: int, look: Look) -> Iterator[Text]:
    subvolumes = rows(document, "subvolumn")
    default = text(document, "default_subvolid")
    shown, hidden = _without_most_snapshots(subvolumes)
    last = len(shown) - 1 if not hidden else -1
    for i, subvolume in enumerate(shown):
        line = Text("  " + (look.last if i == last else look.branch), "bright_black")
        line.append(look.word(text(subvolume, "subvol_name")), "bold")
        if mount := text(subvolume, "subvol_mount_path"):
            line.append(f"  {look.word(mount)}")
        if is_true(subvolume, "is_snapshot"):
            line.append("  snapshot", "dim")
        if default not in ("", TOP_LEVEL) and text(subvolume, "subvol_id") == default:
            line.append("  default", "green")
        line.truncate(width, overflow=look.overflow)
        yield line
    if hidden:
        yield Text(f"  {look.last}and {plural(hidden, 'more snapshot')}", "dim")


def _without_most_snapshots(subvolumes: list[Json]) -> tuple[list[Json], int]:
    """Subvolumes by path, with the first snapshots only, and how many were left out."""
    shown: list[Json] = []
    snapshots = 0
    for subvolume in sorted(subvolumes, key=lambda s: text(s, "subvol_name")):
        snapshots += is_true(subvolume, "is_snapshot")
        if snapshots <= SNAPSHOTS_SHOWN or not is_true(subvolume, "is_snapshot"):
            shown.append(subvolume)
    return shown, max(0, snapshots - SNAPSHOTS_SHOWN)
