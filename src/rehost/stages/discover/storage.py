"""All that is on the machine's disks: partitions, volumes, stacks, filesystems."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from rehost.model.disk import Btrfs, Disk, VolumeGroup
from rehost.model.server import DeviceName, NetworkMount, Root, Stack
from rehost.stages.discover import disks as disk_facts
from rehost.stages.discover.blocks import Block, Blocks, find_blocks
from rehost.stages.discover.btrfs import find_btrfs
from rehost.stages.discover.device_names import find_device_names, find_root
from rehost.stages.discover.fillings import Filling, Layout, fill
from rehost.stages.discover.lvm_limits import find_lvm_limits
from rehost.stages.discover.mounts import find_mounts
from rehost.stages.discover.roles import find_roles
from rehost.stages.discover.survey import Survey
from rehost.stages.discover.udev import Record, read_record
from rehost.stages.discover.volumes import Lvm, ask_lvm, volume_groups
from rehost.storage.partitions import Table, has_grub


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    layout: Layout
    disks: tuple[Disk, ...]
    volume_groups: tuple[VolumeGroup, ...] | None
    btrfs: tuple[Btrfs, ...]
    stacks: tuple[Stack, ...]
    network_mounts: tuple[NetworkMount, ...]
    grub_in_mbr: bool
    device_names: tuple[DeviceName, ...] | None
    root: Root | None
    lvm_limits: tuple[str, ...] | None


def find_storage(survey: Survey) -> Storage:
    """Raises HostError if /sys or /proc cannot be read."""
    lvm = ask_lvm(survey)
    layout = _layout(survey, lvm)
    tables = disk_facts.read_tables(survey, layout)
    fillings = {b.name: fill(survey, layout, b) for b in _filled(layout, tables)}
    roles = find_roles(layout.blocks, layout.mounts, fillings)
    if not roles.root:
        survey.miss("disks[].os_disk", "the root filesystem is not on a disk of this machine")
    return Storage(
        layout=layout,
        disks=disk_facts.disks(layout, tables, fillings, roles),
        volume_groups=volume_groups(lvm, layout.blocks, fillings, roles) if lvm else None,
        btrfs=find_btrfs(survey, layout, fillings),
        stacks=tuple(_stacks(layout, fillings)),
        network_mounts=layout.mounts.network,
        grub_in_mbr=any(has_grub(t.boot_code) for t in tables.values() if t),
        device_names=survey.attempt(
            "facts.device_names", lambda: find_device_names(survey, layout, fillings)
        ),
        root=find_root(layout, fillings),
        lvm_limits=survey.attempt(
            "facts.lvm_limits", lambda: find_lvm_limits(survey, layout.blocks)
        ),
    )


def _layout(survey: Survey, lvm: Lvm | None) -> Layout:
    blocks = find_blocks(survey)
    return Layout(
        blocks=blocks,
        mounts=find_mounts(survey, blocks),
        records=_records(survey, blocks),
        physical_volumes=lvm.by_device(survey, blocks) if lvm else {},
    )


def _records(survey: Survey, blocks: Blocks) -> dict[str, Record]:
    found = {
        b.name: survey.attempt("disks[].relation_name", partial(read_record, survey, b))
        for b in blocks.all.values()
    }
    return {name: record for name, record in found.items() if record}


def _filled(layout: Layout, tables: Mapping[str, Table | None]) -> Iterator[Block]:
    """The devices that may hold a filesystem: not a disk with a table, nor an extended one."""
    for block in layout.blocks.all.values():
        table = tables.get(block.parent or block.name)
        if layout.blocks.partitions(block) or (block.kind == "disk" and table and table.style):
            continue
        if not (block.kind == "part" and disk_facts.is_extended(layout, table, block)):
            yield block


def _stacks(layout: Layout, fillings: Mapping[str, Filling]) -> Iterator[Stack]:
    disks = {d.name for d in layout.blocks.disks()}
    for block in layout.blocks.all.values():
        if block.kind in {"disk", "lvm"} or (block.kind == "part" and block.parent in disks):
            continue
        filling = fillings.get(block.name)
        yield Stack(
            name=block.path,
            kind=block.kind,
            components=_components(layout, block),
            size=block.size,
            file_system=filling.file_system if filling else "",
            mount_point=filling.mount_point if filling else "",
            used_size=filling.used if filling else block.size,
        )


def _components(layout: Layout, block: Block) -> tuple[str, ...]:
    names = block.slaves or ((block.parent,) if block.parent else ())
    return tuple(layout.blocks.all[n].path for n in names if n in layout.blocks.all)
