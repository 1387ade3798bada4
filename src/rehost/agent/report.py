"""The machine's report for people and for files: `rehost-agent discover` and `capture`."""

import json
from collections.abc import Iterator
from pathlib import Path

from rehost import __version__
from rehost.contract.codec import encode
from rehost.model.disk import Disk, Partition
from rehost.model.server import Report
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
    """The report as lines of text: what a person wants to see of it, and what is missing."""
    facts = report.facts
    yield f"{report.name}: {facts and facts.distribution} ({report.os_version})"
    yield f"  kernel {report.kernel_version}, {report.firmware}, boot loader {report.boot_loader}"
    yield f"  {report.cpu_quantity} processors, {size(report.memory)} memory"
    for n in report.networks:
        yield f"  {n.name}: {n.ip or n.ipv6 or 'no address'}, gateway {n.gateway or 'none'}"
    for disk in report.disks or ():
        yield from _disk(disk)
    for group in report.volume_groups or ():
        yield f"volume group {group.name}: {size(group.size)}, {size(group.free_size)} free"
        for v in group.logical_volumes or ():
            yield f"  {v.name}: {size(v.size)} {v.file_system or ''} {v.mount_point or ''}"
    for missing in facts.missing if facts else ():
        yield f"not known: {missing.fact}: {missing.reason}"


def size(number: int | None) -> str:
    """Bytes in the largest unit that leaves a number above one."""
    if number is None:
        return "?"
    value, unit = float(number), 0
    while value >= 1024 and unit < len(UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.4g} {UNITS[unit]}"


def _disk(disk: Disk) -> Iterator[str]:
    style = disk.partition_style or "no partition table"
    yield f"{disk.name}: {size(disk.size)}, {size(disk.used_size)} used, {style}, {disk.device_use}"
    for part in disk.physical_volumes or ():
        yield "  " + _partition(part)


def _partition(part: Partition) -> str:
    kind = "?" if part.file_system is None else part.file_system or "unknown content"
    return f"{part.name}: {size(part.size)} {kind} {part.mount_point} {part.device_use}"
