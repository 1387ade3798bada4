from collections.abc import Iterator

from rehost.model.check import Result
from rehost.model.server import Report
from rehost.stages.check.rule import UNKNOWN, Found, Problem, check, unknown

NOT_RUNNING = Problem("REHOST.5161", Result.ERROR)


@check("SERVICE", "the system services that migration needs can run", NOT_RUNNING, UNKNOWN)
def judge(report: Report) -> Iterator[Found]:
    if report.system_services is None:
        yield unknown(report, "system_services")
    elif not report.system_services:
        yield NOT_RUNNING()
