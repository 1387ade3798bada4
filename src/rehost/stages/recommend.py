"""Report -> the target to make for it: the API's init_target_server."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from rehost.model.disk import DeviceUse, Disk, VolumeGroup
from rehost.model.server import Report
from rehost.model.target import DiskChoice, RecommendedTarget, TargetDisk

GIB = 1 << 30
GPT_EXTRA = GIB  # SMS public rules: room for the second table, which GPT keeps at the disk's end


def recommend(report: Report) -> RecommendedTarget:
    """One disk for each of the source's, in its order, with what is on it. Never raises.

    Raw disks are among them: block-level replication copies them whole. A disk of unknown size
    gets the least that holds what is known to be on it.
    """
    return RecommendedTarget(
        disks=tuple(_target_disk(disk, number) for number, disk in enumerate(report.disks or ())),
        volume_groups=report.volume_groups or (),
    )


def adjust(recommended: RecommendedTarget, choices: Iterable[DiskChoice]) -> RecommendedTarget:
    """The recommended target with an operator's choices.

    Lenient, as the source may have changed since: a choice for a disk that is gone is nothing,
    and a size too small for today's disk is not taken.
    """
    chosen = {choice.id: choice for choice in choices}
    disks = tuple(_adjusted(disk, chosen.get(disk.name)) for disk in recommended.disks)
    kept = tuple(disk for disk in disks if disk is not None)
    left = {
        name
        for disk, now in zip(recommended.disks, disks, strict=True)
        if now is None
        for name in _devices(disk)
    }
    groups = tuple(group for group in recommended.volume_groups if not _components(group) & left)
    return RecommendedTarget(disks=kept, volume_groups=groups)


def has_system(target: RecommendedTarget) -> bool:
    """Whether the target gets what it could start from; else it gets data alone."""
    return any(disk.device_use is not DeviceUse.NORMAL for disk in target.disks)


def objections(recommended: RecommendedTarget, choices: Sequence[DiskChoice]) -> Iterator[str]:
    """Why choices cannot be followed, a sentence each."""
    disks = {disk.name: disk for disk in recommended.disks}
    left = {choice.id for choice in choices if choice.need_migration is False}
    for choice in choices:
        disk = disks.get(choice.id)
        if disk is None:
            yield f"the source server has no disk {choice.id!r}"
            continue
        if (choice.adjust_size or disk.size) < disk.size:
            yield f"disk {choice.id!r} needs at least {disk.size} bytes on the target"
    if disks and not disks.keys() - left:
        yield "no disk would be migrated"
    for group in recommended.volume_groups:
        with_group = {disk.name for disk in disks.values() if _devices(disk) & _components(group)}
        if with_group & left and with_group - left:
            yield f"volume group {group.name!r} is on disks that are left out and on others"


def _adjusted(disk: TargetDisk, choice: DiskChoice | None) -> TargetDisk | None:
    if choice is None:
        return disk
    if choice.need_migration is False:
        return None
    return replace(disk, size=max(disk.size, choice.adjust_size or 0))


def _devices(disk: TargetDisk) -> set[str]:
    return {disk.name, *(entry.name for entry in disk.physical_volumes if entry.name)}


def _components(group: VolumeGroup) -> set[str]:
    return set((group.components or "").split(";"))


def _target_disk(disk: Disk, number: int) -> TargetDisk:
    return TargetDisk(
        name=disk.name or f"Disk {number}",
        size=_size(disk),
        used_size=disk.used_size,
        device_use=_role(disk),
        physical_volumes=disk.physical_volumes or (),
    )


def _size(disk: Disk) -> int:
    """Whole GiB, as providers sell them, and no less than the source's disk."""
    known = disk.size or _total(entry.size for entry in disk.physical_volumes or ())
    if (disk.partition_style or "").upper() == "GPT":
        known += GPT_EXTRA
    return max(GIB, -(-known // GIB) * GIB)


def _total(sizes: Iterable[int | None]) -> int:
    return sum(size or 0 for size in sizes)


def _role(disk: Disk) -> DeviceUse:
    """OS wins over BOOT: a Windows agent calls its system disk BOOT for its boot partition."""
    roles = {disk.device_use, *(entry.device_use for entry in disk.physical_volumes or ())}
    if disk.os_disk or DeviceUse.OS in roles:
        return DeviceUse.OS
    return DeviceUse.BOOT if DeviceUse.BOOT in roles else DeviceUse.NORMAL
