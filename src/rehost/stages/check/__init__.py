"""Feasibility checks: a report in, findings out.

To add one: a file here with a `judge` made by @check, a line in CHECKS, the texts of its codes in
texts/english.py and texts/chinese.py; then `scripts/docs`.
"""

from typing import NamedTuple

from rehost.model.check import Finding, Result
from rehost.model.server import OsType, Report
from rehost.stages.check import (
    account_rights,
    boot_loader,
    change_tracking,
    cpu,
    disk_info,
    disk_size,
    driver_file,
    encrypted_volume,
    file_system,
    firmware,
    free_space,
    lvm_nested,
    memory,
    multipath,
    network_mount,
    oem_system,
    os_version,
    paravirtualization,
    partition_style,
    raw_devices,
    rsync,
    secure_boot,
    service,
    system_root,
    virtio_initramfs,
)
from rehost.stages.check.rows import rows
from rehost.stages.check.rule import Check
from rehost.stages.check.texts import describe

__all__ = ["CHECKS", "checks_for", "describe", "judge", "obstacles", "rows"]


class Checks(NamedTuple):
    public: tuple[Check, ...]  # the API's, in its order
    own: tuple[Check, ...]  # ours come after, for sources whose agent reports `facts`


CHECKS = {
    OsType.LINUX: Checks(
        public=(
            os_version.judge,
            cpu.judge,
            memory.judge,
            paravirtualization.judge,
            firmware.judge,
            boot_loader.judge,
            rsync.judge,
            raw_devices.judge,
            disk_info.judge,
            partition_style.judge,
            file_system.judge,
        ),
        own=(
            virtio_initramfs.judge,
            change_tracking.judge,
            lvm_nested.judge,
            encrypted_volume.judge,
            secure_boot.judge,
            network_mount.judge,
            multipath.judge,
            disk_size.judge,
        ),
    ),
    OsType.WINDOWS: Checks(
        public=(
            os_version.judge,
            firmware.judge,
            cpu.judge,
            memory.judge,
            system_root.judge,
            partition_style.judge,
            file_system.judge,
            free_space.judge,
            oem_system.judge,
            driver_file.judge,
            service.judge,
            account_rights.judge,
        ),
        own=(
            encrypted_volume.judge,
            secure_boot.judge,
            multipath.judge,
            disk_size.judge,
        ),
    ),
}


def judge(report: Report) -> tuple[Finding, ...]:
    """One finding per check that applies to this source, in the order of CHECKS. Never raises."""
    return tuple(check(report) for check in checks_for(report))


def obstacles(report: Report, *, with_system: bool) -> tuple[Finding, ...]:
    """The findings that keep a migration from being set up.

    Without the system's disks nothing has to start on the target: what is only about that is none.
    """
    checks = (check for check in checks_for(report) if with_system or not check.of_start)
    return tuple(f for check in checks if (f := check(report)).result is Result.ERROR)


def checks_for(report: Report) -> tuple[Check, ...]:
    """The checks that apply: all of the API's; ours only on what our agent reports."""
    public, own = CHECKS[report.os_type]
    return public if report.facts is None else public + own
