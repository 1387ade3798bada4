"""The picture of a source: its disks, and what is built on them.

The input is the decoded JSON of GET /v3/sources/{id}, from any service that speaks SMS v3.
"""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from rehost.cli import btrfs, device
from rehost.cli.device import Device, Item
from rehost.cli.document import Json, is_true, number, part, rows, split, text
from rehost.cli.look import CRYPT, EMPTY, LVM, RAID, Kind, Look

WIDEST = 120  # columns; wider bars say no more

CONTAINERS = {
    "lvm2_member": "LVM",
    "linux_raid_member": "RAID",
    "crypto_luks": "LUKS",
    "bitlocker": "BitLocker",
}
ROLES = {"BOOT": "boot disk", "OS": "system disk", "NORMAL": "data disk"}


def draw(source: Json, width: int, look: Look) -> Group:
    """Disks, md and dm-crypt devices, volume groups, btrfs filesystems, and the legend."""
    width = min(width, WIDEST)
    parts: list[RenderableType] = []
    drawn = list(devices(source, look))
    for one in drawn:
        parts += [*device.draw(one, width, look), ""]
    for filesystem in rows(source, "btrfs_list"):
        parts += [btrfs.draw(filesystem, width, look), ""]
    if not drawn:
        parts.append(Text("No disk is known.", "dim"))
    return Group(*parts, _legend(drawn, width, look))


def devices(source: Json, look: Look) -> Iterator[Device]:
    """In the order in which one is built on the other."""
    users = built_on(source, look)
    for one in rows(source, "disks"):
        yield disk(one, users)
    for stack in rows(part(source, "facts"), "stacks"):
        yield _stack(stack, users)
    for group in rows(source, "volume_groups"):
        yield volume_group(group)


def disk(document: Json, users: dict[str, str]) -> Device:
    partitions = rows(document, "physical_volumes")
    style = text(document, "partition_style")
    whole = bool(partitions) and not style and all(not number(p, "index") for p in partitions)
    facts = [style or ("no partition table" if document.get("partition_style") == "" else "")]
    role = (
        "system disk"
        if is_true(document, "os_disk")
        else ROLES.get(text(document, "device_use"), "")
    )
    return Device(
        name=short(text(document, "name")),
        facts=(*facts, role),
        size=number(document, "size"),
        used=number(document, "used_size"),
        items=tuple(_partition(p, users, whole=whole) for p in partitions)
        or (_no_partitions(document),),
    )


def volume_group(document: Json) -> Device:
    name = text(document, "name")
    size, free = number(document, "size"), number(document, "free_size")
    volumes = rows(document, "logical_volumes")
    return Device(
        name=name,
        facts=("volume group", _on(split(document, "components"))),
        size=size,
        used=None if size is None or free is None else size - free,
        items=tuple(
            _filesystem(v, name=logical_name(text(v, "name"), name), place="") for v in volumes
        ),
        rest="free",
    )


def short(path: str) -> str:
    """A device's name without the folder that they are all in."""
    return path.removeprefix("/dev/mapper/").removeprefix("/dev/")


def logical_name(path: str, group: str) -> str:
    """The logical volume's own name: device-mapper doubles the hyphens in both parts."""
    name = short(path)
    prefix = group.replace("-", "--") + "-"
    if name.startswith(prefix):
        return name.removeprefix(prefix).replace("--", "-")
    return name.removeprefix(group + "/")


def _on(paths: list[str]) -> str:
    return "on " + " + ".join(short(path) for path in paths) if paths else ""


def built_on(source: Json, look: Look) -> dict[str, str]:
    """Device -> what uses it, as a place."""
    users: dict[str, str] = {}
    for stack in rows(part(source, "facts"), "stacks"):
        for component in stack.get("components") or ():
            users[short(str(component))] = f"{look.arrow} {short(text(stack, 'name'))}"
    for group in rows(source, "volume_groups"):
        for component in split(group, "components"):
            users[short(component)] = f"{look.arrow} {text(group, 'name')}"
    return users


def _partition(document: Json, users: dict[str, str], *, whole: bool) -> Item:
    name = short(text(document, "name"))
    index = number(document, "index")
    return _filesystem(
        document,
        name="whole disk" if whole else name or f"partition {index}",
        place=users.get(name, ""),
        index="" if index is None else str(index),
    )


def _filesystem(document: Json, *, name: str, place: str, index: str = "") -> Item:
    file_system = text(document, "file_system")
    mount_point = text(document, "mount_point")
    known = document.get("file_system") is not None
    container = CONTAINERS.get(file_system.lower())
    size, used = number(document, "size"), number(document, "used_size")
    return Item(
        name=name,
        contents=container or file_system or ("no filesystem" if known else "not known"),
        place=place or (mount_point if mount_point != name else ""),
        size=size,
        used=used,
        kind=_container_kind(file_system),
        number=index,
        taken=bool(place),
    )


def _container_kind(file_system: str) -> Kind | None:
    if file_system.lower() not in CONTAINERS:
        return None
    return {"LVM": LVM, "RAID": RAID}.get(CONTAINERS[file_system.lower()], CRYPT)


def _no_partitions(document: Json) -> Item:
    """A disk that nothing is known to be on: raw, or not looked at."""
    looked = document.get("physical_volumes") is not None
    return Item(
        name="whole disk",
        contents="raw" if looked else "not known",
        place="no partition table, no filesystem" if looked else "",
        size=number(document, "size"),
    )


def _stack(document: Json, users: dict[str, str]) -> Device:
    name = short(text(document, "name"))
    components = [short(str(c)) for c in document.get("components") or ()]
    item = _filesystem(document, name=name, place=users.get(name, ""))
    return Device(
        name=name,
        facts=(
            _stack_kind(text(document, "kind")),
            _on(components),
            item.place if item.taken else "",
        ),
        size=number(document, "size"),
        used=number(document, "used_size"),
        items=(item,),
        passes_on=item.taken,
    )


def _stack_kind(kind: str) -> str:
    if kind.startswith("raid"):
        return f"RAID {kind.removeprefix('raid')}"
    return {"crypt": "encrypted (dm-crypt)", "mpath": "multipath"}.get(kind, kind)


def _legend(drawn: list[Device], width: int, look: Look) -> Text:
    """Only what occurs in the picture."""
    items = [item for one in drawn for item in one.all_items()]
    entries = [Text(f"{look.used * 2} used"), Text(f"{look.free * 2} free")]
    if any(item.segment().used is None for item in items):
        entries.append(Text(f"{look.unknown * 2} use not known"))
    for kind in dict.fromkeys(item.shown_kind for item in items):
        if kind is EMPTY:
            entries.insert(2, Text(f"{look.side}  {look.side} unallocated"))
        else:
            entries.append(Text(look.square, kind.style) + Text(f" {kind.name}"))
    return _wrapped(entries, width)


def _wrapped(entries: list[Text], width: int) -> Text:
    """Entries side by side; a line breaks between them only."""
    lines = [Text()]
    for entry in entries:
        if len(lines[-1]) + len(entry) + 4 > width:
            lines.append(Text())
        lines[-1] += Text(" ") + entry + Text("   ")
    return Text("\n").join(lines)
