from collections import defaultdict
from collections.abc import Iterator

from rehost.model.check import Result
from rehost.model.server import Report
from rehost.stages.check.rule import Found, Problem, check

# An error: every path would become a disk of its own, and two writers of one LVM or filesystem
# would be started from copies of different times.
SAME_DISK = Problem("REHOST.5241", Result.ERROR)


@check("MULTIPATH", "no disk is reported twice, through two paths", SAME_DISK)
def judge(report: Report) -> Iterator[Found]:
    paths: dict[tuple[str, str], list[str]] = defaultdict(list)
    for disk in (report.facts and report.facts.hardware) or ():
        # Both: some vendors give all their disks one WWN, others one serial number.
        if disk.wwn and disk.serial:
            paths[disk.wwn, disk.serial].append(disk.name)
    for names in paths.values():
        if len(names) > 1:
            yield SAME_DISK(" = ".join(names))
