from collections.abc import Iterator

from rehost.model.check import Result
from rehost.model.server import Report
from rehost.stages.check.rule import Found, Problem, check

TIB = 1 << 40
MAX_SIZE = 16 * TIB  # of a target disk: SMS public rules, for the sake of mkfs
GPT_EXTRA = 1 << 30  # by which the target of a GPT disk is larger: SMS public rules

# A warning: block-level migration makes no filesystem; whether such a disk can be had is for the
# provider to say.
TOO_LARGE = Problem("REHOST.5251", Result.WARN)


@check("DISK_SIZE", f"at most {MAX_SIZE // TIB} TB a disk on the target", TOO_LARGE)
def judge(report: Report) -> Iterator[Found]:
    for number, disk in enumerate(report.disks or (), 1):
        extra = GPT_EXTRA if (disk.partition_style or "").upper() == "GPT" else 0
        if disk.size is not None and disk.size + extra > MAX_SIZE:
            yield TOO_LARGE(f"{disk.name or f'disk {number}'} ({disk.size / TIB:.1f} TB)")
