"""The machine's report for people and for files: `rehost-agent discover` and `capture`."""

import json
from collections.abc import Iterator
from pathlib import Path

from rehost import __version__
from rehost.contract.codec import encode
from rehost.model.server import Facts, Report
from rehost.stages.discover import discover
from rehost.system.host import Host, LiveHost
from rehost.system.recording import RecordingHost

UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def print_report(host: Host, *, as_json: bool) -> None:
    report = discover(host, agent_version=__version__)
    if as_json:
        print(json.dumps(encode(report), indent=2))
    else:
        print("\n".join(picture(report)))


def capture(folder: Path) -> None:
    """Record the answers of this machine to all that discovery asks, and the report they gave."""
    host = RecordingHost(LiveHost())
    report = discover(host, agent_version=__version__)
    host.save(folder)
    (folder / "report.json").write_text(json.dumps(encode(report), indent=2) + "\n")


def picture(report: Report) -> Iterator[str]:
    """The report as lines of text: what a person wants to see of it, and what is not known."""
    facts = report.facts or Facts()
    yield f"{report.name}: {facts.distribution or report.os_version}, {known(report.platform)}"
    yield f"  kernel {known(report.kernel_version)}, {known(facts.architecture)}"
    loader = known(report.boot_loader) or "no boot loader of its own"
    yield f"  {known(report.firmware)}, {loader}, Secure Boot {on_or_off(facts.secure_boot)}"
    yield f"  {known(report.cpu_quantity)} CPUs, {size(report.memory)} of memory"
    for n in report.networks:
        yield f"  {n.name}: {n.ip or n.ipv6 or 'no address'}, gateway {n.gateway or 'none'}"
    yield from _storage(report, facts)
    if facts.missing:
        yield "not known:"
    for missing in facts.missing:
        yield f"  {missing.fact}: {missing.reason}"


def size(number: int | None) -> str:
    """Bytes in the largest unit that leaves a number above one."""
    if number is None:
        return "?"
    value, unit = float(number), 0
    while value >= 1024 and unit < len(UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.4g} {UNITS[unit]}"


def known(value: object) -> str:
    return "?" if value is None else str(value)


def on_or_off(value: bool | None) -> str:
    return "?" if value is None else "on" if value else "off"


def _storage(report: Report, facts: Facts) -> Iterator[str]:
    for disk in report.disks or ():
        style = known(disk.partition_style) or "no partition table"
        yield f"{disk.name}  {size(disk.size)}, {size(disk.used_size)} used, {style}"
        for part in disk.physical_volumes or ():
            yield _row(part.name, part.size, part.used_size, part.file_system, part.mount_point)
    for stack in facts.stacks or ():
        yield f"{stack.name}  {stack.kind} on {' '.join(stack.components)}"
        yield _row("", stack.size, stack.used_size, stack.file_system, stack.mount_point)
    for group in report.volume_groups or ():
        yield f"volume group {group.name}  {size(group.size)}, {size(group.free_size)} free"
        for v in group.logical_volumes or ():
            yield _row(v.name, v.size, v.used_size, v.file_system, v.mount_point)
    for b in report.btrfs_list or ():
        yield f"btrfs {b.label or b.uuid}  {b.device}, data {known(b.data_profile)}"
        for sub in b.subvolumn or ():
            kind = "snapshot" if sub.is_snapshot == "true" else "subvolume"
            yield f"  {kind} {sub.subvol_name}  {sub.subvol_mount_path}"
    for mount in facts.network_mounts or ():
        yield f"{mount.mount_point}  {mount.file_system} from {mount.source}: not migrated"


def _row(
    name: str | None,
    total: int | None,
    used: int | None,
    file_system: str | None,
    mount_point: str | None,
) -> str:
    kind = known(file_system) or "nothing known"
    sizes = f"{size(total):>10} {size(used):>10} used"
    return f"  {name or '':<34} {sizes}  {kind:<12} {mount_point or ''}".rstrip()
