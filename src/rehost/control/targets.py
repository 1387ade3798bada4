"""What the target of a source is to be like."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import msgspec
import sqlalchemy as sa

from rehost.contract.transfer import TransferDisk
from rehost.control.store import templates
from rehost.control.task_record import ConfigKey, Task
from rehost.control.wishes import Wishes
from rehost.control.wishes import read as read_wishes
from rehost.model.disk import DeviceUse
from rehost.model.server import Facts, Firmware, Network, Report
from rehost.model.target import RecommendedTarget, TargetDisk
from rehost.providers.base import DiskSpec, Interface, TargetServer, TargetSpec
from rehost.stages import launch
from rehost.stages.convert import Options, cards
from rehost.stages.launch import Probe
from rehost.stages.recommend import recommend
from rehost.task_errors import SourceDiskGone, TargetTooSmall

MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")
# The firmware starts from the first disk.
FIRST = (DeviceUse.BOOT, DeviceUse.OS, DeviceUse.NORMAL)
SYSTEM = (DeviceUse.BOOT, DeviceUse.OS)
NEW, DHCP = "new", "dhcp"
SECTORS = (512, 4096)
LEAST_MEMORY = 1 << 30  # bytes


def wanted(db: sa.Connection, task: Task, source: Any) -> TargetSpec:  # noqa: ANN401 - a row
    """The target as the task's template wants it. Raises TemplateNotFound and BadTargetSpec."""
    return spec(task, source, wishes(db, task, task.settings.vm_template_id))


def wishes(db: sa.Connection, task: Task, template_id: str) -> Wishes:
    """What a template of the task's project wants; "" is none.

    Raises TemplateNotFound and BadTargetSpec.
    """
    if not template_id:
        return Wishes()
    return read_wishes(templates.visible(db, (task.project_id,), template_id).document)


def spec(task: Task, source: Any, wishes: Wishes = Wishes()) -> TargetSpec:  # noqa: ANN401, B008
    """The target that is recommended for a source, adjusted to what operators want."""
    report = msgspec.json.decode(source.report, type=Report)
    facts = report.facts or Facts()
    return TargetSpec(
        task_id=task.id,
        name=task.settings.target_name or source.name,
        disks=tuple(_disks(facts, sizes(task, source, wishes))),
        cpus=wishes.cpus or report.cpu_quantity or 1,
        memory=wishes.memory or max(_bytes(report.memory), LEAST_MEMORY),
        firmware=report.firmware or Firmware.BIOS,
        interfaces=tuple(_interfaces(report, wishes, options(task, report).macs)),
        boot_file=facts.boot_file,
        source=f"{source.name} ({source.id})",
        is_started=starts(task, source),
    )


def sizes(task: Task, source: Any, wishes: Wishes) -> dict[str, int]:  # noqa: ANN401 - a row
    """The target's disks by name, in its order, in bytes: the largest of what anybody wants."""
    recommended = msgspec.json.decode(source.target, type=RecommendedTarget)
    asked = {disk.name: disk.size or 0 for disk in task.settings.target_disks}
    places = {disk.name: number for number, disk in enumerate(recommended.disks)}
    return {
        disk.name: max(
            disk.size, asked.get(disk.name, 0), wishes.disk_size(disk.name, places[disk.name])
        )
        for disk in sorted(recommended.disks, key=lambda disk: FIRST.index(disk.device_use))
    }


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


def disks(task: Task, source: Any) -> tuple[TargetDisk, ...]:  # noqa: ANN401 - a row
    """Those of the source that the target has, or is to have, as they are recommended.

    What operators choose for a source is for the targets that are made from then on.
    """
    if task.server is None:
        return msgspec.json.decode(source.target, type=RecommendedTarget).disks
    made = {disk.name for disk in task.server.disks}
    report = msgspec.json.decode(source.report, type=Report)
    return tuple(disk for disk in recommend(report).disks if disk.name in made)


def has_system(task: Task, source: Any) -> bool:  # noqa: ANN401 - a row
    """Whether the disks that are migrated have a system on them, which can start."""
    return any(disk.device_use in SYSTEM for disk in disks(task, source))


def starts(task: Task, source: Any) -> bool:  # noqa: ANN401 - a row
    """Whether the target is to be started in the end."""
    return task.settings.start_target_server and has_system(task, source)


def options(task: Task, report: Report) -> Options:
    """How the target is to differ from its source, as the task's configuration says."""
    wanted = {c.config_key: c.config_value for c in task.configurations}
    macs = {n.name: _own_mac(task, n.mac) for n in report.networks if n.name}
    is_new = wanted.get(ConfigKey.TARGET_MAC) == NEW
    return Options(
        macs=macs if is_new else {},
        dhcp=wanted.get(ConfigKey.TARGET_NETWORK) == DHCP,
        hostname=wanted.get(ConfigKey.TARGET_HOSTNAME) or None,
        new_identity=wanted.get(ConfigKey.TARGET_IDENTITY) == NEW,
    )


def conversion(task: Task, source: Any) -> tuple[Report, Options]:  # noqa: ANN401 - a row
    """What conversion is planned from."""
    report = msgspec.json.decode(source.report, type=Report)
    return report, options(task, report)


def insist_on_sizes(server: TargetServer, source: Any) -> None:  # noqa: ANN401 - a row
    """The images exist, each at least as large as the source's disk. Raises TargetTooSmall."""
    for disk in transfer(server, source):
        with server.disks[disk.id].path.open("rb") as file:
            file.seek(0, 2)
            if file.tell() < disk.size:
                raise TargetTooSmall(disk.name, has=file.tell(), needs=disk.size)


def _own_mac(task: Task, mac: str) -> str:
    """An address for the target instead of the source's: the same one at each call, of the range
    that QEMU takes addresses from."""
    digest = hashlib.sha256(f"{task.id}/{mac.lower()}".encode()).digest()
    return "52:54:00:" + digest[:3].hex(":")


def _checked(server: TargetServer, sizes: dict[str | None, int | None]) -> Iterator[TransferDisk]:
    for number, disk in enumerate(server.disks):
        size = sizes.get(disk.name)
        if size is None:
            raise SourceDiskGone(disk.name)
        if disk.size < size:
            raise TargetTooSmall(disk.name, has=disk.size, needs=size)
        yield TransferDisk(id=number, name=disk.name, size=size)


def _disks(facts: Facts, sizes: dict[str, int]) -> Iterator[DiskSpec]:
    sectors = {each.name: each.logical_sector for each in facts.hardware or ()}
    for name, size in sizes.items():
        sector = sectors.get(name)
        yield DiskSpec(name=name, size=size, sector_size=sector if sector in SECTORS else 512)


def _interfaces(report: Report, wishes: Wishes, macs: Mapping[str, str]) -> Iterator[Interface]:
    """The source's, and as many more as the template has; one at least."""
    known = list(_cards(report)) or [n for n in report.networks if MAC.fullmatch(n.mac)]
    for number in range(max(len(known), len(wishes.networks), 1)):
        own = known[number] if number < len(known) else None
        wish = wishes.interface(number)
        yield Interface(
            mac=macs.get(own.name or "", own.mac).lower() if own else None,
            network=wish.network,
            address=wish.address or _address(own),
            gateway="" if wish.address else (own and own.gateway) or "",
        )


def _cards(report: Report) -> Iterator[Network]:
    """Cards without what stands upon them, which has their address: a bond is no card.

    The first card of a bond brings the bond's addresses.
    """
    for card in cards(report):
        same = [n for n in report.networks if n.mac.lower() == card.mac]
        own = next((n for n in same if n.name == card.name), None)
        upon = next((n for n in same if n.ip), None)
        yield replace(upon or own or Network(mac=card.mac), name=card.name, mac=card.mac)


def _address(network: Network | None) -> str:
    return f"{network.ip}/{network.netmask}" if network and network.ip and network.netmask else ""


def _bytes(memory: int | None) -> int:
    """Agents other than ours report MB."""
    memory = memory or 0
    return memory << 20 if memory < 1 << 22 else memory
