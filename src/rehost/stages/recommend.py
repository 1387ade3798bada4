"""Report -> the target to make for it: the API's init_target_server."""

from collections.abc import Iterable

from rehost.model.disk import DeviceUse, Disk
from rehost.model.server import Report
from rehost.model.target import RecommendedTarget, TargetDisk

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
