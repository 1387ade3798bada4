"""What the target of a source is to be like, and where it is made."""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from rehost.contract.transfer import TransferDisk
from rehost.control.api.source_body import DiskInTargetServer, InitTargetServer
from rehost.control.config import ServeConfig
from rehost.control.task_record import Task
from rehost.errors import BadConfiguration
from rehost.model.disk import DeviceUse
from rehost.model.server import Firmware, Report
from rehost.providers.base import DiskSpec, Interface, Provider, TargetServer, TargetSpec
from rehost.task_errors import SourceDiskGone, TargetTooSmall

if TYPE_CHECKING:
    from rehost.providers.qemu import QemuOptions

E = TypeVar("E", bound=StrEnum)
MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")
# The firmware starts from the first disk.
FIRST = (DeviceUse.BOOT, DeviceUse.OS, DeviceUse.NORMAL)
SECTORS = (512, 4096)
LEAST_MEMORY = 1 << 30  # bytes


def open_provider(config: ServeConfig) -> Provider:
    """Raises BadConfiguration for one that is not known."""
    folder = config.data / "targets"
    if config.provider == "qemu":
        from rehost.providers.qemu import QemuProvider

        return QemuProvider(folder, _qemu_options(config))
    if config.provider == "null":
        from rehost.providers.null import NullProvider

        return NullProvider(folder)
    raise BadConfiguration(f"option provider: {config.provider!r} is neither qemu nor null")


def _qemu_options(config: ServeConfig) -> "QemuOptions":
    from rehost.providers.qemu.options import Acceleration, Chipset, QemuOptions

    return QemuOptions(
        acceleration=_one_of(Acceleration, "qemu_acceleration", config.qemu_acceleration),
        chipset=_one_of(Chipset, "qemu_chipset", config.qemu_chipset),
        bridge=config.qemu_bridge,
    )


def _one_of(kind: type[E], option: str, value: str) -> E:
    try:
        return kind(value)
    except ValueError as e:
        known = ", ".join(member.value for member in kind)
        raise BadConfiguration(f"option {option}: {value!r} is none of {known}") from e


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
    )


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
