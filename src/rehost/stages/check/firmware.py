from collections.abc import Iterator

from rehost.model.check import Result
from rehost.model.server import Firmware, OsType, Report
from rehost.stages.check.rule import UNKNOWN, Found, Problem, check, unknown
from rehost.stages.check.volume import volumes

NO_ESP = Problem("REHOST.5051", Result.WARN)


@check(
    "FIRMWARE",
    "BIOS or UEFI; UEFI on Linux with an EFI system partition",
    NO_ESP,
    UNKNOWN,
    of_start=True,
)
def judge(report: Report) -> Iterator[Found]:
    if report.firmware is None:
        yield unknown(report, "firmware")
    elif report.firmware is Firmware.UEFI and report.os_type is OsType.LINUX and report.disks:
        file_systems = [volume.file_system for volume in volumes(report)]
        if None not in file_systems and "vfat" not in file_systems:
            yield NO_ESP()
