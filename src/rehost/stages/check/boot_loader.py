from collections.abc import Iterator

from rehost.model.check import Result
from rehost.model.server import Report
from rehost.stages.check.rule import NOT_REPORTED, Found, Problem, check, not_reported

NONE_FOUND = Problem("REHOST.5061", Result.ERROR)
# Not an error: it arrives byte for byte and starts there; only conversion cannot edit its entries.
NOT_GRUB = Problem("REHOST.5062", Result.WARN)


@check("BOOT_LOADER", "GRUB", NONE_FOUND, NOT_GRUB, NOT_REPORTED, of_start=True)
def judge(report: Report) -> Iterator[Found]:
    if report.boot_loader is None:
        yield not_reported(report, "boot_loader")
    elif not report.boot_loader.strip():
        yield NONE_FOUND()
    elif "grub" not in report.boot_loader.lower():
        yield NOT_GRUB(report.boot_loader)
