"""The hardware of machines. To add one: a value here and a script, install/<name>.sh, which runs in
a guest, or place/<name>.sh, which runs on this host.

MACHINES are recorded, SOURCES are migrated by tests/guest; what is in both is built once.
"""

from dataclasses import dataclass
from typing import Literal

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    serial: str
    size: int  # bytes
    bus: Literal["virtio", "scsi", "nvme", "ide"] = "virtio"


@dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    mac: str
    network: str = "10.0.2.0/24"
    host: str = "10.0.2.2"
    network6: str | None = None
    isolated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    name: str
    uuid: str
    firmware: Literal["bios", "uefi"]
    disks: tuple[Disk, ...]
    nics: tuple[Nic, ...]
    smbios: tuple[str, ...] = ()
    cpus: int = 1
    memory: int = 1 * GIB
    cpu: str = "qemu64"
    cdrom: bool = False


MACHINES = (
    Machine(
        name="bios-mbr-ext4",
        uuid="0a000001-1111-4000-8000-00000000feed",
        firmware="bios",
        disks=(Disk(serial="BIOS-SYSTEM-0001", size=4 * GIB),),
        nics=(Nic(mac="52:54:00:00:01:01"),),
    ),
    Machine(
        name="uefi-gpt-lvm-xfs",
        uuid="0a000002-1111-4000-8000-00000000feed",
        firmware="uefi",
        cpus=2,
        memory=2 * GIB,
        disks=(Disk(serial="UEFI-SYSTEM-0002", size=8 * GIB),),
        nics=(Nic(mac="52:54:00:00:02:01", network6="2001:db8:2::/64"),),
    ),
    Machine(
        name="btrfs-snapshots",
        uuid="0a000003-1111-4000-8000-00000000feed",
        firmware="bios",
        disks=(Disk(serial="BTRFS-SYSTEM-0003", size=6 * GIB),),
        nics=(Nic(mac="52:54:00:00:03:01"),),
    ),
    Machine(
        name="raid1-lvm",
        uuid="0a000004-1111-4000-8000-00000000feed",
        firmware="bios",
        disks=(
            Disk(serial="RAID-MEMBER-0004A", size=5 * GIB, bus="scsi"),
            Disk(serial="RAID-MEMBER-0004B", size=5 * GIB, bus="scsi"),
        ),
        nics=(Nic(mac="52:54:00:00:04:01"),),
    ),
    Machine(
        name="luks",
        uuid="0a000005-1111-4000-8000-00000000feed",
        firmware="bios",
        disks=(Disk(serial="LUKS-SYSTEM-0005", size=4 * GIB),),
        nics=(Nic(mac="52:54:00:00:05:01"),),
    ),
    Machine(
        name="multi-disk-raw",
        uuid="0a000006-1111-4000-8000-00000000feed",
        firmware="bios",
        disks=(
            Disk(serial="MULTI-SYSTEM-0006A", size=4 * GIB),
            Disk(serial="MULTI-DATA-0006B", size=2 * GIB),
            Disk(serial="MULTI-WHOLE-0006C", size=1 * GIB),
            Disk(serial="MULTI-BLANK-0006D", size=512 * MIB),
        ),
        nics=(
            Nic(mac="52:54:00:00:06:01"),
            Nic(
                mac="52:54:00:00:06:02",
                network="192.168.57.0/24",
                host="192.168.57.2",
                isolated=True,
            ),
        ),
        cdrom=True,
    ),
    Machine(
        name="nvme-cloud",
        uuid="ec2a0007-1111-4000-8000-00000000feed",
        firmware="uefi",
        cpus=2,
        cpu="qemu64,model-id=Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz",
        disks=(
            Disk(serial="vol0a0000070000000a1", size=8 * GIB, bus="nvme"),
            Disk(serial="vol0a0000070000000b2", size=2 * GIB, bus="nvme"),
        ),
        nics=(Nic(mac="0a:00:07:12:34:56", network="172.31.16.0/20", host="172.31.16.2"),),
        smbios=(
            "type=0,vendor=Amazon EC2,version=1.0,date=10/16/2017",
            "type=1,manufacturer=Amazon EC2,product=m5.large,"
            "serial=ec2a0007-1111-4000-8000-00000000feed",
            "type=2,manufacturer=Amazon EC2,asset=i-0a0000070000000c3",
            "type=3,manufacturer=Amazon EC2,asset=Amazon EC2",
        ),
    ),
    Machine(
        name="luks-root",
        uuid="0a000008-1111-4000-8000-00000000feed",
        firmware="bios",
        disks=(Disk(serial="CRYPT-SYSTEM-0008", size=4 * GIB),),
        nics=(Nic(mac="52:54:00:00:08:01"),),
    ),
    Machine(
        name="lvm-thin-bond",
        uuid="0a000009-1111-4000-8000-00000000feed",
        firmware="bios",
        disks=(
            Disk(serial="THIN-SYSTEM-0009A", size=4 * GIB),
            Disk(serial="THIN-WHOLE-0009B", size=1 * GIB, bus="scsi"),
        ),
        nics=(Nic(mac="52:54:00:00:09:01"), Nic(mac="52:54:00:00:09:02")),
    ),
)


def _recorded(name: str) -> Machine:
    return next(machine for machine in MACHINES if machine.name == name)


SOURCES = (
    Machine(
        name="bios-mbr-plain",
        uuid="0a000010-1111-4000-8000-00000000feed",
        firmware="bios",
        disks=(Disk(serial="PLAIN-SYSTEM-0010", size=4 * GIB),),
        nics=(Nic(mac="52:54:00:00:10:01"),),
    ),
    Machine(
        name="bios-lvm-btrfs",
        uuid="0a000011-1111-4000-8000-00000000feed",
        firmware="bios",
        disks=(Disk(serial="LVM-SYSTEM-0011", size=5 * GIB),),
        nics=(Nic(mac="52:54:00:00:11:01"),),
    ),
    Machine(
        name="uefi-gpt-xfs",
        uuid="0a000012-1111-4000-8000-00000000feed",
        firmware="uefi",
        disks=(Disk(serial="XFS-SYSTEM-0012", size=5 * GIB),),
        nics=(Nic(mac="52:54:00:00:12:01"),),
    ),
    _recorded("btrfs-snapshots"),
    _recorded("raid1-lvm"),
    # Its initramfs has no drivers but those of its own disk.
    Machine(
        name="ide-no-virtio",
        uuid="0a000013-1111-4000-8000-00000000feed",
        firmware="bios",
        disks=(Disk(serial="IDE-SYSTEM-0013", size=3 * GIB, bus="ide"),),
        nics=(Nic(mac="52:54:00:00:13:01"),),
    ),
)
