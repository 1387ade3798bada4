from collections.abc import Iterator

from rehost.model.check import Result
from rehost.model.server import Report
from rehost.stages.check.rule import UNKNOWN, Found, Problem, check, unknown

MOUNTED = Problem("REHOST.5231", Result.WARN)


@check("NETWORK_MOUNT", "no mounted network filesystem: it is not migrated", MOUNTED, UNKNOWN)
def judge(report: Report) -> Iterator[Found]:
    if report.facts is None:
        return
    if report.facts.network_mounts is None:
        yield unknown(report, "network_mounts")
    for mount in report.facts.network_mounts or ():
        yield MOUNTED(f"{mount.mount_point} ({mount.source})")
