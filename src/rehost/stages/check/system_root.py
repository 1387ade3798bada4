import re
from collections.abc import Iterator

from rehost.model.check import Result
from rehost.model.server import Report
from rehost.stages.check.rule import UNKNOWN, Found, Problem, check, unknown
from rehost.stages.check.volume import volumes

ELSEWHERE = Problem("REHOST.5121", Result.ERROR)


@check(
    "SYSTEM_ROOT", "Windows is on a volume of a reported disk", ELSEWHERE, UNKNOWN, of_start=True
)
def judge(report: Report) -> Iterator[Found]:
    """The system folder's drive letter decides; without one, a volume of role OS is enough."""
    drive = re.match(r"[A-Za-z]:", report.system_dir or "")
    if report.disks is None:
        yield unknown(report, "disks")
    elif drive is None:
        if not any(volume.is_root for volume in volumes(report)):
            yield unknown(report, "system_dir")
    elif not any(_is_on(drive[0], volume.name, volume.mount_point) for volume in volumes(report)):
        yield ELSEWHERE(report.system_dir)


def _is_on(drive: str, *names: str | None) -> bool:
    return any((name or "").upper().startswith(drive.upper()) for name in names)
