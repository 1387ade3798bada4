"""Disks and their partitions."""

from collections.abc import Mapping

from rehost.errors import BadFormat, HostError
from rehost.model.disk import DeviceUse, Disk, Partition
from rehost.stages.discover.blocks import Block
from rehost.stages.discover.fillings import Filling, Layout
from rehost.stages.discover.roles import Roles
from rehost.stages.discover.survey import Survey
from rehost.storage import partitions
from rehost.storage.partitions import BOOT_TYPES, EXTENDED, Table

STYLES = {"dos": "MBR", "gpt": "GPT"}
EXTENDED_SIZE = 1024
STYLE_FACT = "disks[].partition_style"


def read_tables(survey: Survey, layout: Layout) -> dict[str, Table | None]:
    """The partition table of each disk, by kernel name; None if the disk cannot be read."""
    return {disk.name: _table(survey, layout, disk) for disk in layout.blocks.disks()}


def disks(
    layout: Layout,
    tables: Mapping[str, Table | None],
    fillings: Mapping[str, Filling],
    roles: Roles,
) -> tuple[Disk, ...]:
    return tuple(
        _disk(layout, disk, tables[disk.name], fillings, roles) for disk in layout.blocks.disks()
    )


def raw_devices(found: tuple[Disk, ...]) -> str | None:
    """Disks that hold neither a partition table nor anything known; None if nobody can tell."""
    if any(d.partition_style is None for d in found):
        return None
    whole = [d for d in found if not d.partition_style]
    if any(p.file_system is None for d in whole for p in d.physical_volumes or ()):
        return None
    return ";".join(d.name or "" for d in whole if not d.physical_volumes)


def type_of(layout: Layout, table: Table | None, part: Block) -> str:
    """The partition's type as udev writes it: a GUID, or the byte of an MBR; "" if unknown."""
    record = layout.records.get(part.name)
    return (record.get("PART_ENTRY_TYPE") if record else "") or (
        table.types.get(part.index, "") if table else ""
    )


def is_extended(layout: Layout, table: Table | None, part: Block) -> bool:
    """An extended partition holds the logical ones; they are reported, it is not."""
    # The kernel shows it with a size of two sectors, whatever it is.
    return type_of(layout, table, part) in EXTENDED or part.size <= EXTENDED_SIZE


def _table(survey: Survey, layout: Layout, disk: Block) -> Table | None:
    record = layout.records.get(disk.name)
    style = STYLES.get(record.get("PART_TABLE_TYPE"), "") if record else ""
    try:
        table = partitions.parse(survey.host.read(disk.path, size=partitions.SIZE))
    except BadFormat:
        return Table(style=style, types={}, boot_code=b"")
    except HostError as e:
        # A disk that is mounted whole has no table.
        if record or layout.mounts.of(disk):
            return Table(style=style, types={}, boot_code=b"")
        survey.miss(STYLE_FACT, str(e))
        return None
    # A boot sector alone is not a table: the kernel or udev must see it, too.
    seen = style or layout.blocks.partitions(disk)
    return table if seen or any(table.types) else Table(style="", types={}, boot_code=b"")


def _disk(
    layout: Layout,
    disk: Block,
    table: Table | None,
    fillings: Mapping[str, Filling],
    roles: Roles,
) -> Disk:
    record = layout.records.get(disk.name)
    parts = _partitions(layout, disk, table, fillings, roles)
    used = [p.used_size for p in parts]
    return Disk(
        name=disk.path,
        partition_style=table.style if table else None,
        device_use=roles.of_disk(disk),
        size=disk.size,
        used_size=None if None in used else sum(u for u in used if u is not None),
        os_disk=disk.name in roles.root if roles.root else None,
        relation_name=record.stable_name if record else "",
        inode_size=fillings[disk.name].inode_size if disk.name in fillings else 0,
        physical_volumes=parts,
    )


def _partitions(
    layout: Layout,
    disk: Block,
    table: Table | None,
    fillings: Mapping[str, Filling],
    roles: Roles,
) -> tuple[Partition, ...]:
    whole = fillings.get(disk.name)
    if whole:  # Without a table, the disk itself may hold a filesystem.
        known_empty = whole.file_system == ""
        return () if known_empty else (_partition(disk, whole, roles.of(disk)),)
    parts = (p for p in layout.blocks.partitions(disk) if p.name in fillings)
    return tuple(_partition(p, fillings[p.name], _use(layout, table, p, roles)) for p in parts)


def _partition(block: Block, filling: Filling, use: DeviceUse) -> Partition:
    return Partition(
        name=block.path,
        index=block.index,
        device_use=use,
        file_system=filling.file_system,
        mount_point=filling.mount_point,
        size=block.size,
        used_size=filling.used,
        inode_size=filling.inode_size,
        inode_nums=filling.inodes,
        uuid=filling.uuid,
        size_per_cluster=filling.block_size,
    )


def _use(layout: Layout, table: Table | None, part: Block, roles: Roles) -> DeviceUse:
    use = roles.of(part)
    is_for_boot = type_of(layout, table, part) in BOOT_TYPES
    return DeviceUse.BOOT if use is DeviceUse.NORMAL and is_for_boot else use
