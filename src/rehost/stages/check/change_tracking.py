"""Which tracker of changed blocks this kernel allows; the agent tries it when a task starts."""

import re
from collections.abc import Iterator

from rehost.model.check import Result
from rehost.model.server import Facts, Report
from rehost.model.tracking import Tracker
from rehost.stages.check.rule import CHOSEN, UNKNOWN, Found, Problem, check, unknown

MMAP_FROM = (5, 5)  # BPF_F_MMAPABLE
LOOKUP_FROM = (4, 18)  # the oldest kernel the program is made for: that of RHEL 8
# The agent calls bpf and perf_event_open by number.
ARCHITECTURES = ("x86_64", "aarch64")
# They take bios and make no requests, so the request tracepoints never see their writes. Those of
# dm and md are seen on the disks below them.
BIO_BASED = re.compile(r"(nd_)?pmem|brd$|ram\d|zram|drbd|bcache|null_blk")

TOO_OLD = Problem("REHOST.5191", Result.WARN)
LOCKED_DOWN = Problem("REHOST.5192", Result.WARN)
REFUSED = Problem("REHOST.5193", Result.WARN)
BIO_DISKS = Problem("REHOST.5194", Result.WARN)


@check(
    "CHANGE_TRACKING",
    "eBPF (kernel {}.{} and later, better {}.{}) or blktrace sees each write; otherwise every pass "
    "reads all used blocks".format(*LOOKUP_FROM, *MMAP_FROM),
    TOO_OLD,
    LOCKED_DOWN,
    REFUSED,
    BIO_DISKS,
    UNKNOWN,
)
def judge(report: Report) -> Iterator[Found]:
    if report.facts is None:
        return
    for disk in report.facts.hardware or ():
        if BIO_BASED.match(disk.driver or "") or BIO_BASED.match(disk.name.split("/")[-1]):
            yield BIO_DISKS(disk.name)
    kernel = version(report.kernel_version)
    if kernel is None:
        yield unknown(report, "kernel_version")
    elif unprobed := _unprobed(report.facts):
        yield unknown(report, *unprobed)
    else:
        yield _best(report.facts, kernel)


def version(kernel: str | None) -> tuple[int, int] | None:
    """(5, 14) of "5.14.0-427.el9.x86_64"."""
    match = re.match(r"(\d{1,4})\.(\d{1,4})", kernel or "")
    return (int(match[1]), int(match[2])) if match else None


def _unprobed(facts: Facts) -> list[str]:
    """What was not probed and could still decide."""
    ebpf = {"bpf": facts.tracking.bpf, "block_tracepoints": facts.tracking.block_tracepoints}
    if facts.tracking.blktrace or False in ebpf.values():
        return []
    return [f"tracking.{name}" for name, answer in ebpf.items() if answer is None]


def _best(facts: Facts, kernel: tuple[int, int]) -> Found:
    if _has_ebpf(facts, kernel):
        return CHOSEN(Tracker.EBPF_MMAP if kernel >= MMAP_FROM else Tracker.EBPF_LOOKUP)
    if facts.tracking.blktrace and not _is_locked_down(facts):
        return CHOSEN(Tracker.BLKTRACE)
    if _is_locked_down(facts):
        return LOCKED_DOWN(facts.lockdown)
    if kernel < LOOKUP_FROM:
        return TOO_OLD(".".join(map(str, kernel)))
    return REFUSED()


def _has_ebpf(facts: Facts, kernel: tuple[int, int]) -> bool:
    """ "integrity" allows it: the program calls no helper that reads or writes kernel memory.
    "confidentiality" hides tracefs, which says where the fields of an event are."""
    return (
        kernel >= LOOKUP_FROM
        and facts.architecture in (None, *ARCHITECTURES)
        and facts.lockdown != "confidentiality"
        and bool(facts.tracking.bpf and facts.tracking.block_tracepoints)
    )


def _is_locked_down(facts: Facts) -> bool:
    """From "integrity" on, blktrace's relay files in debugfs cannot be opened: they have mmap."""
    return facts.lockdown not in (None, "", "none")
