from collections.abc import Iterator

from rehost.model.check import Result
from rehost.model.disk import DeviceUse, Disk
from rehost.model.server import Report
from rehost.stages.check.rule import (
    NOT_REPORTED,
    UNKNOWN,
    Found,
    Problem,
    check,
    not_reported,
    unknown,
)
from rehost.stages.check.volume import volumes

MIB = 1 << 20
MAX_DISKS = 23  # SMS public rules: what a target takes beside its own system disk
MIN_ROOT_FREE = 200 * MIB  # SMS public rules; conversion puts a new initramfs there

NO_DISKS = Problem("REHOST.5091", Result.ERROR)
TOO_MANY = Problem("REHOST.5092", Result.ERROR)
NO_SIZE = Problem("REHOST.5093", Result.ERROR)
NO_ROOT = Problem("REHOST.5094", Result.ERROR)
ROOT_FULL = Problem("REHOST.5095", Result.ERROR)


@check(
    "DISK_INFO",
    f"1 to {MAX_DISKS} disks of known size, the root filesystem on one of them with at least "
    f"{MIN_ROOT_FREE // MIB} MB free; volume groups reported",
    NO_DISKS,
    TOO_MANY,
    NO_SIZE,
    NO_ROOT,
    ROOT_FULL,
    NOT_REPORTED,
    UNKNOWN,
)
def judge(report: Report) -> Iterator[Found]:
    if report.volume_groups is None:
        yield not_reported(report, "volume_groups")
    if report.disks is None:
        yield unknown(report, "disks")
    elif not report.disks:
        yield NO_DISKS()
    else:
        yield from _disks(report.disks)
        yield from _root(report)


def _disks(disks: tuple[Disk, ...]) -> Iterator[Found]:
    if len(disks) > MAX_DISKS:
        yield TOO_MANY(len(disks), MAX_DISKS)
    for number, disk in enumerate(disks, 1):
        if not disk.size:
            yield NO_SIZE(disk.name or f"disk {number}")


def _root(report: Report) -> Iterator[Found]:
    roots = [volume for volume in volumes(report) if volume.is_root]
    disks = report.disks or ()
    if not roots and not any(d.os_disk or d.device_use == DeviceUse.OS for d in disks):
        yield NO_ROOT()
        return
    free = root_free(report)
    if free is None:
        yield unknown(report, "root_free")
    elif free < MIN_ROOT_FREE:
        yield ROOT_FULL(free // MIB, MIN_ROOT_FREE // MIB)


def root_free(report: Report) -> int | None:
    """Bytes free on the root filesystem: as measured, else what its volume's sizes leave."""
    if report.facts and report.facts.root_free is not None:
        return report.facts.root_free
    left = [v.free for v in volumes(report) if v.is_root and v.free is not None]
    return left[0] if left else None
