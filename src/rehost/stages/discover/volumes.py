"""LVM: its volume groups and logical volumes."""

from collections.abc import Mapping
from dataclasses import dataclass

from rehost.model.disk import LogicalVolume, VolumeGroup
from rehost.stages.discover.blocks import Block, Blocks
from rehost.stages.discover.fillings import Filling
from rehost.stages.discover.roles import Roles
from rehost.stages.discover.survey import Survey
from rehost.storage import lvm


@dataclass(frozen=True, slots=True, kw_only=True)
class Lvm:
    groups: tuple[lvm.Group, ...]
    physical: tuple[lvm.Physical, ...]
    logical: tuple[lvm.Logical, ...]

    def by_device(self, survey: Survey, blocks: Blocks) -> dict[str, lvm.Physical]:
        """The physical volumes by the kernel names of their devices."""
        found = ((blocks.at(p.device) or _real(survey, blocks, p.device), p) for p in self.physical)
        return {block.name: p for block, p in found if block}


def ask_lvm(survey: Survey) -> Lvm | None:
    """None if LVM cannot be asked. Without its tools there are no groups."""
    if not survey.host.which("lvs"):
        return Lvm(groups=(), physical=(), logical=())
    return survey.attempt("volume_groups", lambda: _ask(survey))


def volume_groups(
    known: Lvm, blocks: Blocks, fillings: Mapping[str, Filling], roles: Roles
) -> tuple[VolumeGroup, ...]:
    return tuple(
        VolumeGroup(
            name=group.name,
            components=";".join(p.device for p in known.physical if p.group == group.name),
            size=group.size,
            free_size=group.free,
            logical_volumes=tuple(
                _logical(lv, blocks.at(lv.path), fillings, roles)
                for lv in known.logical
                if lv.group == group.name
            ),
        )
        for group in known.groups
    )


def _ask(survey: Survey) -> Lvm:
    run = survey.host.run
    return Lvm(
        groups=tuple(lvm.parse_groups(run(lvm.VGS))),
        physical=tuple(lvm.parse_physical(run(lvm.PVS))),
        logical=tuple(lvm.parse_logical(run(lvm.LVS))),
    )


def _real(survey: Survey, blocks: Blocks, path: str) -> Block | None:
    real = survey.attempt("volume_groups", lambda: survey.host.resolve(path))
    return blocks.at(real) if real else None


def _logical(
    lv: lvm.Logical, block: Block | None, fillings: Mapping[str, Filling], roles: Roles
) -> LogicalVolume:
    """A volume that is not active has no block device: nobody can look into it."""
    filling = fillings.get(block.name) if block else None
    if not block or not filling:
        return LogicalVolume(name=lv.path, size=lv.size, used_size=lv.size, free_size=0)
    # A snapshot's device is as large as its origin, the volume only as what has changed since.
    used = None if filling.used is None else min(filling.used, lv.size)
    return LogicalVolume(
        name=lv.path,
        device_use=roles.of(block),
        file_system=filling.file_system,
        mount_point=filling.mount_point,
        size=lv.size,
        used_size=used,
        free_size=None if used is None else lv.size - used,
        block_count=filling.blocks,
        block_size=filling.block_size,
        inode_size=filling.inode_size,
        inode_nums=filling.inodes,
    )
