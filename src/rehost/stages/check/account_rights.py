from collections.abc import Iterator

from rehost.model.check import Result
from rehost.model.server import Report
from rehost.stages.check.rule import UNKNOWN, Found, Problem, check, unknown

NOT_ADMINISTRATOR = Problem("REHOST.5171", Result.ERROR)


@check("ACCOUNT_RIGHTS", "the agent's account has administrator rights", NOT_ADMINISTRATOR, UNKNOWN)
def judge(report: Report) -> Iterator[Found]:
    if report.account_rights is None:
        yield unknown(report, "account_rights")
    elif not report.account_rights:
        yield NOT_ADMINISTRATOR()
