from collections.abc import Iterator

from rehost.model.check import Result
from rehost.model.server import Report
from rehost.stages.check.rule import UNKNOWN, Found, Problem, check, unknown

MISSING = Problem("REHOST.5151", Result.ERROR)


@check(
    "DRIVER_FILE",
    "the driver files that the target's hardware needs are there",
    MISSING,
    UNKNOWN,
    of_start=True,
)
def judge(report: Report) -> Iterator[Found]:
    if report.driver_files is None:
        yield unknown(report, "driver_files")
    elif not report.driver_files:
        yield MISSING()
