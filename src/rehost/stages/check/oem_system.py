from collections.abc import Iterator

from rehost.model.check import Result
from rehost.model.server import Report
from rehost.stages.check.rule import UNKNOWN, Found, Problem, check, unknown

OEM = Problem("REHOST.5141", Result.WARN)


@check(
    "OEM_SYSTEM",
    "not an OEM edition, whose licence is bound to its hardware",
    OEM,
    UNKNOWN,
    of_start=True,
)
def judge(report: Report) -> Iterator[Found]:
    if report.oem_system is None:
        yield unknown(report, "oem_system")
    elif report.oem_system:
        yield OEM()
