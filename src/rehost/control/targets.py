"""What the target of a source is to be like."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from rehost.contract.transfer import TransferDisk
from rehost.control.api.source_body import DiskInTargetServer, InitTargetServer
from rehost.control.task_record import ConfigKey, Task
from rehost.model.disk import DeviceUse
from rehost.model.server import Firmware, Report
from rehost.providers.base import DiskSpec, Interface, TargetServer, TargetSpec
from rehost.stages import launch
from rehost.stages.launch import Probe
from rehost.task_errors import SourceDiskGone, TargetTooSmall

MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")
# The firmware starts from the first disk.
FIRST = (DeviceUse.BOOT, DeviceUse.OS, DeviceUse.NORMAL)
SECTORS = (512, 4096)
LEAST_MEMORY = 1 << 30  # bytes


def spec(task: Task, source: Any) -> TargetSpec:  # noqa: ANN401 - a row of sources
    """The target that is recommended for a source, adjusted to what operators want."""
    report = msgspec.json.decode(source.report, type=Report)
    recommended = msgspec.json.decode(source.target, type=InitTargetServer)
    disks = sorted(recommended.disks, key=lambda disk: FIRST.index(disk.device_use))
    interfaces = tuple(
        Interface(mac=n.mac.lower()) for n in report.networks if MAC.fullmatch(n.mac)
    )
    return TargetSpec(
        task_id=task.id,
        name=task.settings.target_name or source.name,
        disks=tuple(_disks(task, report, disks)),
        cpus=report.cpu_quantity or 1,
        memory=max(_bytes(report.memory), LEAST_MEMORY),
        firmware=report.firmware or Firmware.BIOS,
        interfaces=interfaces or (Interface(),),
        boot_file=report.facts.boot_file if report.facts else None,
    )


def probe(task: Task, default: Probe | None) -> Probe | None:
    """What must answer for the task's target to be up; None: its console tells, or SSH."""
    for each in task.configurations:
        if each.config_key is ConfigKey.BOOT_PROBE and each.config_value:
            return launch.parse(each.config_value)
    return default


def transfer(server: TargetServer, source: Any) -> tuple[TransferDisk, ...]:  # noqa: ANN401 - a row
    """The disks to copy, as large as the source's are now.

    Raises TargetTooSmall, and SourceDiskGone.
    """
    report = msgspec.json.decode(source.report, type=Report)
    sizes = {disk.name: disk.size for disk in report.disks or ()}
    return tuple(_checked(server, sizes))


def too_small(disk: TransferDisk, has: int) -> TargetTooSmall:
    return TargetTooSmall(disk.name, has=has, needs=disk.size)


def _checked(server: TargetServer, sizes: dict[str | None, int | None]) -> Iterator[TransferDisk]:
    for number, disk in enumerate(server.disks):
        size = sizes.get(disk.name)
        if size is None:
            raise SourceDiskGone(disk.name)
        if disk.size < size:
            raise TargetTooSmall(disk.name, has=disk.size, needs=size)
        yield TransferDisk(id=number, name=disk.name, size=size)


def _disks(task: Task, report: Report, disks: list[DiskInTargetServer]) -> Iterator[DiskSpec]:
    wanted = {disk.name: disk.size or 0 for disk in task.settings.target_disks}
    hardware = (report.facts and report.facts.hardware) or ()
    sectors = {each.name: each.logical_sector for each in hardware}
    for disk in disks:
        sector = sectors.get(disk.name)
        yield DiskSpec(
            name=disk.name,
            size=max(disk.size, wanted.get(disk.name, 0)),
            sector_size=sector if sector in SECTORS else 512,
        )


def _bytes(memory: int | None) -> int:
    """Agents other than ours report MB."""
    memory = memory or 0
    return memory << 20 if memory < 1 << 22 else memory
