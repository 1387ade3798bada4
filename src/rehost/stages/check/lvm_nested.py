from collections.abc import Iterator

from rehost.model.check import Result
from rehost.model.server import Report
from rehost.stages.check.rule import Found, Problem, check

# A warning: block-level migration copies the disks below, whatever is stacked on them. File-level
# migration and a target with another layout cannot build it again.
NESTED = Problem("REHOST.5201", Result.WARN)


@check("LVM_NESTED", "no physical volume of LVM on a logical volume", NESTED)
def judge(report: Report) -> Iterator[Found]:
    groups = report.volume_groups or ()
    logical = [volume for group in groups for volume in group.logical_volumes or ()]
    physical = {path for group in groups for path in (group.components or "").split(";")}
    for volume in logical:
        if volume.name in physical or (volume.file_system or "").lower() == "lvm2_member":
            yield NESTED(volume.name or "?")
