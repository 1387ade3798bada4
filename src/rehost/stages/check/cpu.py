from collections.abc import Iterator

from rehost.model.check import Result
from rehost.model.server import Report
from rehost.stages.check.rule import UNKNOWN, Found, Problem, check, unknown

MIN_CPUS = 1  # SMS public rules
MAX_USAGE = 80  # percent of all cores, SMS public rules

TOO_FEW = Problem("REHOST.5021", Result.ERROR)
# Not an error: a load comes and goes, and replication only takes longer under it.
BUSY = Problem("REHOST.5022", Result.WARN)


@check("CPU", f"at least {MIN_CPUS} CPU, usage at most {MAX_USAGE} %", TOO_FEW, BUSY, UNKNOWN)
def judge(report: Report) -> Iterator[Found]:
    if report.cpu_quantity is None:
        yield unknown(report, "cpu_quantity")
    elif report.cpu_quantity < MIN_CPUS:
        yield TOO_FEW(report.cpu_quantity, MIN_CPUS)
    if report.facts is None:
        return
    if report.facts.cpu_usage is None:
        yield unknown(report, "cpu_usage")
    elif not report.facts.cpu_usage <= MAX_USAGE:
        yield BUSY(f"{report.facts.cpu_usage:.1f}", MAX_USAGE)
