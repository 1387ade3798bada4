"""Reports of machines that pass every check; tests change what they are about."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from rehost.model.check import Finding
from rehost.model.disk import Disk, LogicalVolume, Partition, VolumeGroup
from rehost.model.server import (
    Facts,
    Firmware,
    Hardware,
    Identity,
    Network,
    OsType,
    Report,
    Tracking,
)
from rehost.stages.check import judge

MIB, GIB, TIB = 1 << 20, 1 << 30, 1 << 40

EXAMPLE = json.loads(Path("tests/data/sms-v3/example.json").read_text(encoding="utf-8"))["200"]

DISK = Disk(
    name="/dev/vda",
    partition_style="MBR",
    device_use="OS",
    size=20 * GIB,
    used_size=10 * GIB,
    os_disk=True,
    physical_volumes=(
        Partition(
            name="/dev/vda1",
            index=1,
            device_use="BOOT",
            file_system="ext4",
            mount_point="/boot",
            size=512 * MIB,
            used_size=100 * MIB,
        ),
        Partition(
            name="/dev/vda2",
            index=2,
            device_use="NORMAL",
            file_system="LVM2_member",
            mount_point="",
            size=19 * GIB,
            used_size=10 * GIB,
        ),
    ),
)

FACTS = Facts(
    identity=Identity(machine_id="a" * 31 + "b"),
    architecture="x86_64",
    cpu_usage=5.0,
    free_memory=2 * GIB,
    root_free=13 * GIB,
    secure_boot=False,
    lockdown="none",
    virtio_kernel=("virtio_blk", "virtio_pci", "virtio_net", "virtio_scsi"),
    virtio_initramfs=("virtio_blk", "virtio_pci"),
    hardware=(Hardware(name="/dev/vda", bus="virtio", driver="virtio_blk"),),
    stacks=(),
    network_mounts=(),
    tracking=Tracking(bpf=True, block_tracepoints=True, blktrace=True),
)

LINUX = Report(
    name="web1",
    os_type=OsType.LINUX,
    os_version="DEBIAN_12_64BIT",
    networks=(Network(mac="52:54:00:12:34:56", name="eth0", ip="192.0.2.10"),),
    agent_version="1.0.0",
    ip="192.0.2.10",
    firmware=Firmware.BIOS,
    cpu_quantity=2,
    memory=4 * GIB,
    disks=(DISK,),
    volume_groups=(
        VolumeGroup(
            name="vg0",
            components="/dev/vda2",
            size=19 * GIB,
            free_size=GIB,
            logical_volumes=(
                LogicalVolume(
                    name="/dev/mapper/vg0-root",
                    device_use="OS",
                    file_system="xfs",
                    mount_point="/",
                    size=18 * GIB,
                    used_size=5 * GIB,
                ),
            ),
        ),
    ),
    btrfs_list=(),
    has_rsync=True,
    has_tc=True,
    paravirtualization=False,
    raw_devices="",
    boot_loader="GRUB",
    kernel_version="6.1.0-30-amd64",
    facts=FACTS,
)

# As an agent for Windows registers the machine of the documented example.
WINDOWS = msgspec.convert(
    {name: EXAMPLE[name] for name in Report.__dataclass_fields__ if name in EXAMPLE}
    | {"driver_files": True, "system_services": True, "account_rights": True}
    | {"system_dir": "C:\\Windows"},
    Report,
)


def linux(**changes: Any) -> Report:
    """LINUX with other values, of the report or of its facts."""
    return _changed(LINUX, changes)


def windows(**changes: Any) -> Report:
    return _changed(WINDOWS, changes)


def _changed(report: Report, changes: dict[str, Any]) -> Report:
    own = {k: v for k, v in changes.items() if k in Report.__dataclass_fields__}
    beyond = {k: v for k, v in changes.items() if k not in own}
    facts = replace(report.facts or Facts(), **beyond) if beyond else report.facts
    return replace(report, **{"facts": facts, **own})


def partition(**changes: Any) -> Report:
    """LINUX with only one partition on one disk, which holds root."""
    root = Partition(
        name="/dev/vda1",
        index=1,
        device_use="OS",
        file_system="ext4",
        mount_point="/",
        size=10 * GIB,
        used_size=2 * GIB,
    )
    disk = replace(DISK, physical_volumes=(replace(root, **changes),))
    return replace(LINUX, disks=(disk,), volume_groups=())


def finding(name: str, report: Report) -> Finding:
    """What the check of that name says."""
    [found] = [finding for finding in judge(report) if finding.check == name]
    return found
