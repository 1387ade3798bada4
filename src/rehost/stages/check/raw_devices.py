from collections.abc import Iterator

from rehost.model.check import Result
from rehost.model.server import Report
from rehost.stages.check.rule import NOT_REPORTED, Found, Problem, check, not_reported

# A warning: block-level migration copies them whole. What file-level migration cannot see, it
# leaves out.
RAW = Problem("REHOST.5081", Result.WARN)


@check("RAW_DEVICES", "no disk without a partition table and filesystem", RAW, NOT_REPORTED)
def judge(report: Report) -> Iterator[Found]:
    if report.raw_devices is None:
        yield not_reported(report, "raw_devices")
        return
    for device in filter(None, map(str.strip, report.raw_devices.split(";"))):
        yield RAW(device)
