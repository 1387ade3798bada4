from collections.abc import Iterator

from rehost.model.check import Result
from rehost.model.server import Firmware, Report
from rehost.stages.check.rule import UNKNOWN, Found, Problem, check, unknown

ENABLED = Problem("REHOST.5221", Result.WARN)


@check("SECURE_BOOT", "off", ENABLED, UNKNOWN, of_start=True)
def judge(report: Report) -> Iterator[Found]:
    if report.facts is None or report.firmware is Firmware.BIOS:
        return
    if report.facts.secure_boot is None:
        yield unknown(report, "secure_boot")
    elif report.facts.secure_boot:
        yield ENABLED()
