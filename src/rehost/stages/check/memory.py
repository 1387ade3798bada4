from collections.abc import Iterator

from rehost.model.check import Result
from rehost.model.server import Report
from rehost.stages.check.rule import UNKNOWN, Found, Problem, check, unknown

MIB = 1 << 20
# SMS public rules ask for 1 GB, which is what the machine was given. What its system reports is
# less by the firmware, the kernel and a crash kernel (up to 192 MiB of 1 GiB); no machine is made
# with something between 768 MiB and 1 GiB.
MIN_TOTAL = 768 * MIB
MIN_FREE = 256 * MIB  # SMS public rules: more than this
# 64 MiB if it is bytes, 64 TiB if it is MB: no server has less than the one or more than the other.
BYTES_FROM = 64 * MIB

TOO_SMALL = Problem("REHOST.5031", Result.ERROR)
# Not an error: it comes and goes, and the agent stays far below.
LOW = Problem("REHOST.5032", Result.WARN)


@check(
    "MEMORY",
    f"at least 1 GB ({MIN_TOTAL // MIB} MB as reported), more than {MIN_FREE // MIB} MB free",
    TOO_SMALL,
    LOW,
    UNKNOWN,
)
def judge(report: Report) -> Iterator[Found]:
    if report.memory is None:
        yield unknown(report, "memory")
    elif memory_bytes(report.memory) < MIN_TOTAL:
        yield TOO_SMALL(memory_bytes(report.memory) // MIB)
    if report.facts is None:
        return
    if report.facts.free_memory is None:
        yield unknown(report, "free_memory")
    elif report.facts.free_memory <= MIN_FREE:
        yield LOW(report.facts.free_memory // MIB, MIN_FREE // MIB)


def memory_bytes(reported: int) -> int:
    """The memory in bytes. The API documents MB, its own example holds bytes; both are sent."""
    return reported if reported >= BYTES_FROM else reported * MIB
