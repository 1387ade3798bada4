from collections.abc import Iterator

from rehost.model.check import Result
from rehost.model.server import Report
from rehost.stages.check.rule import NOT_REPORTED, Found, Problem, check, not_reported

# Warnings: file-level migration runs rsync and shapes its traffic with tc; block-level migration
# needs neither.
NO_RSYNC = Problem("REHOST.5071", Result.WARN)
NO_TC = Problem("REHOST.5072", Result.WARN)


@check(
    "RSYNC", "rsync and tc are installed (file-level migration only)", NO_RSYNC, NO_TC, NOT_REPORTED
)
def judge(report: Report) -> Iterator[Found]:
    tools = (("has_rsync", report.has_rsync, NO_RSYNC), ("has_tc", report.has_tc, NO_TC))
    for fact, present, problem in tools:
        if present is None:
            yield not_reported(report, fact)
        elif not present:
            yield problem()
