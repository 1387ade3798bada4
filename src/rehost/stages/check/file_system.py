from collections.abc import Iterator

from rehost.model.check import Result
from rehost.model.server import OsType, Report
from rehost.stages.check.rule import (
    NOT_REPORTED,
    UNKNOWN,
    Found,
    Problem,
    check,
    not_reported,
    unknown,
)
from rehost.stages.check.volume import volumes

SUPPORTED = {  # SMS public rules
    OsType.LINUX: frozenset(("ext2", "ext3", "ext4", "vfat", "xfs", "btrfs")),
    OsType.WINDOWS: frozenset(("ntfs",)),
}
# No files of their own: what is in them is judged as a volume, or by another check. A Windows disk
# starts from FAT, which no file-level migration has to read.
NO_FILES = {
    OsType.LINUX: frozenset(("", "swap", "lvm2_member", "linux_raid_member", "crypto_luks")),
    OsType.WINDOWS: frozenset(("", "raw", "fat32", "fat", "vfat", "bitlocker")),
}

# A warning: block-level migration does not read filesystems, it only has to copy all of those.
UNSUPPORTED = Problem("REHOST.5111", Result.WARN)


@check(
    "FILE_SYSTEM",
    "Linux: ext2, ext3, ext4, vfat, xfs, btrfs; Windows: NTFS",
    UNSUPPORTED,
    NOT_REPORTED,
    UNKNOWN,
)
def judge(report: Report) -> Iterator[Found]:
    if report.os_type is OsType.LINUX and report.btrfs_list is None:
        yield not_reported(report, "btrfs_list")
    if report.disks is None:
        yield unknown(report, "disks")
    fine = SUPPORTED[report.os_type] | NO_FILES[report.os_type]
    for volume in volumes(report):
        if volume.file_system is None:
            yield unknown(report, f"{volume.fact}.file_system", of=volume.name)
        elif volume.file_system.lower() not in fine:
            yield UNSUPPORTED(f"{volume.name} ({volume.file_system})")
