from collections.abc import Iterator

from rehost.model.check import Result
from rehost.model.server import Report
from rehost.stages.check.rule import NOT_REPORTED, Found, Problem, check, not_reported

PARAVIRTUAL = Problem("REHOST.5041", Result.ERROR)


@check(
    "PARAVIRTUALIZATION",
    "not a Xen paravirtual (PV) guest",
    PARAVIRTUAL,
    NOT_REPORTED,
    of_start=True,
)
def judge(report: Report) -> Iterator[Found]:
    """A PV guest has no firmware, boot sector or drivers that fully virtualised machines use."""
    if report.paravirtualization is None:
        yield not_reported(report, "paravirtualization")
    elif report.paravirtualization:
        yield PARAVIRTUAL()
