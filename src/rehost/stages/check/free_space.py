from collections.abc import Iterator

from rehost.model.check import Result
from rehost.model.server import Report
from rehost.stages.check.rule import UNKNOWN, Found, Problem, check, unknown
from rehost.stages.check.volume import volumes

MIB = 1 << 20
# SMS public rules: what a shadow copy of a volume needs.
LARGE = 600 * MIB
MIN_FREE_LARGE = 320 * MIB
MIN_FREE_SMALL = 40 * MIB

TOO_LITTLE = Problem("REHOST.5131", Result.ERROR)


@check(
    "FREE_SPACE",
    f"NTFS volumes of {LARGE // MIB} MB and more: at least {MIN_FREE_LARGE // MIB} MB free; "
    f"smaller ones: at least {MIN_FREE_SMALL // MIB} MB",
    TOO_LITTLE,
    UNKNOWN,
    of_start=True,
)
def judge(report: Report) -> Iterator[Found]:
    if report.disks is None:
        yield unknown(report, "disks")
    for volume in volumes(report):
        if (volume.file_system or "").lower() != "ntfs":
            continue
        if volume.size is None or volume.free is None:
            yield unknown(report, f"{volume.fact}.used_size", of=volume.name)
        elif volume.free < (MIN_FREE_LARGE if volume.size >= LARGE else MIN_FREE_SMALL):
            yield TOO_LITTLE(f"{volume.name} ({volume.free // MIB} MB)")
