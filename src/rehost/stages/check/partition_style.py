from collections.abc import Iterator

from rehost.model.check import Result
from rehost.model.disk import DeviceUse
from rehost.model.server import Report
from rehost.stages.check.rule import UNKNOWN, Found, Problem, check, unknown

STYLES = ("MBR", "GPT")  # SMS public rules

UNSUPPORTED = Problem("REHOST.5101", Result.ERROR)
NO_TABLE = Problem("REHOST.5102", Result.WARN)


@check(
    "PARTITION_STYLE",
    "MBR or GPT; a data disk may be without a partition table",
    UNSUPPORTED,
    NO_TABLE,
    UNKNOWN,
)
def judge(report: Report) -> Iterator[Found]:
    if report.disks is None:
        yield unknown(report, "disks")
    for disk in report.disks or ():
        name = disk.name or "?"
        if disk.partition_style is None:
            yield unknown(report, "disks[].partition_style", of=name)
        elif not disk.partition_style:
            # A boot loader has nowhere to be on such a disk; firmware would find nothing to start.
            if disk.os_disk or disk.device_use in (DeviceUse.OS, DeviceUse.BOOT):
                yield NO_TABLE(name)
        elif disk.partition_style.upper() not in STYLES:
            yield UNSUPPORTED(f"{name} ({disk.partition_style})")
