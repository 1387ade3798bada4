from dataclasses import replace

from rehost.model.disk import Disk
from rehost.model.server import Firmware, Missing, Stack
from rehost.stages.check import (
    boot_loader,
    cpu,
    disk_info,
    file_system,
    firmware,
    memory,
    os_version,
    paravirtualization,
    partition_style,
    raw_devices,
    rsync,
)
from rehost.stages.check.rule import NOT_REPORTED, UNKNOWN
from tests.unit.check.cases import Case
from tests.unit.check.reports import DISK, FACTS, GIB, MIB, linux, partition


def disk(**changes):
    return linux(disks=(replace(DISK, **changes),))


DATA = Disk(name="/dev/vdb", partition_style="", device_use="NORMAL", size=GIB, physical_volumes=())
SOME_MISSING = (
    Missing(fact="facts.cpu_usage", reason="no /proc/stat"),
    Missing(fact="disks[].physical_volumes[].file_system", reason="blkid was killed"),
    Missing(fact="disks[].physical_volumes[].file_system", reason="and again"),
    Missing(fact="volume_groups", reason="lvs: not root"),
)

LINUX_CASES = [
    Case("OS_VERSION", linux(os_version="DEBIAN_12_64BIT"), None),
    Case("OS_VERSION", linux(os_version="CENTOS_7_9_64BIT"), None),
    Case("OS_VERSION", linux(os_version="SUSE_15_SP5_64BIT"), None),
    Case("OS_VERSION", linux(os_version="CENTOS_STREAM_9_64BIT"), None),
    Case("OS_VERSION", linux(os_version="KYLIN_V10_64BIT"), None),
    Case("OS_VERSION", linux(os_version="ubuntu_22_04_64bit"), None),
    Case("OS_VERSION", linux(os_version="UBUNTU_12_64BIT"), None),
    *(
        Case("OS_VERSION", linux(os_version=version), os_version.NOT_LISTED, (version,))
        for version in (
            "UBUNTU_11_64BIT",
            "DEBIAN_6_64BIT",
            "DEBIAN_99_64BIT",
            "DEBIAN_12_32BIT",
            "DEBIAN_12",
            "DEBIAN_64BIT",
            "ALPINE_3_20_64BIT",
            "something else",
        )
    ),
    Case("CPU", linux(cpu_quantity=1), None),
    Case("CPU", linux(cpu_quantity=0), cpu.TOO_FEW, ("0", "1")),
    Case("CPU", linux(cpu_quantity=None), UNKNOWN, ("cpu_quantity",)),
    Case("CPU", linux(cpu_usage=80.0), None),
    Case("CPU", linux(cpu_usage=80.1), cpu.BUSY, ("80.1", "80")),
    Case("CPU", linux(cpu_usage=None), UNKNOWN, ("cpu_usage",)),
    Case(
        "CPU",
        linux(cpu_usage=None, missing=SOME_MISSING),
        UNKNOWN,
        ("cpu_usage: no /proc/stat",),
    ),
    Case("CPU", linux(facts=None), None),
    Case("MEMORY", linux(memory=768 * MIB), None),
    Case("MEMORY", linux(memory=768 * MIB - 1), memory.TOO_SMALL, ("767",)),
    Case("MEMORY", linux(memory=1024), None),
    Case("MEMORY", linux(memory=768), None),
    Case("MEMORY", linux(memory=767), memory.TOO_SMALL, ("767",)),
    Case("MEMORY", linux(memory=0), memory.TOO_SMALL, ("0",)),
    Case("MEMORY", linux(memory=64 * MIB), memory.TOO_SMALL, ("64",)),
    Case("MEMORY", linux(memory=64 * MIB - 1), None),
    Case("MEMORY", linux(memory=None), UNKNOWN, ("memory",)),
    Case("MEMORY", linux(free_memory=256 * MIB + 1), None),
    Case("MEMORY", linux(free_memory=256 * MIB), memory.LOW, ("256", "256")),
    Case("MEMORY", linux(free_memory=None), UNKNOWN, ("free_memory",)),
    Case("MEMORY", linux(facts=None), None),
    Case("PARAVIRTUALIZATION", linux(paravirtualization=True), paravirtualization.PARAVIRTUAL),
    Case(
        "PARAVIRTUALIZATION", linux(paravirtualization=None), NOT_REPORTED, ("paravirtualization",)
    ),
    Case("FIRMWARE", linux(firmware=None), UNKNOWN, ("firmware",)),
    Case("FIRMWARE", linux(firmware=Firmware.UEFI), firmware.NO_ESP),
    Case("FIRMWARE", replace(partition(file_system="vfat"), firmware=Firmware.UEFI), None),
    Case("FIRMWARE", replace(partition(file_system=None), firmware=Firmware.UEFI), None),
    Case("FIRMWARE", linux(firmware=Firmware.UEFI, disks=None), None),
    Case("BOOT_LOADER", linux(boot_loader="grub2"), None),
    Case("BOOT_LOADER", linux(boot_loader=""), boot_loader.NONE_FOUND),
    Case("BOOT_LOADER", linux(boot_loader="LILO"), boot_loader.NOT_GRUB, ("LILO",)),
    Case("BOOT_LOADER", linux(boot_loader="extlinux"), boot_loader.NOT_GRUB, ("extlinux",)),
    Case("BOOT_LOADER", linux(boot_loader=None), NOT_REPORTED, ("boot_loader",)),
    Case("RSYNC", linux(has_rsync=False), rsync.NO_RSYNC),
    Case("RSYNC", linux(has_tc=False), rsync.NO_TC),
    Case("RSYNC", linux(has_rsync=None), NOT_REPORTED, ("has_rsync",)),
    Case("RSYNC", linux(has_tc=None), NOT_REPORTED, ("has_tc",)),
    Case("RSYNC", linux(has_rsync=None, has_tc=None), NOT_REPORTED, ("has_rsync", "has_tc")),
    Case(
        "RAW_DEVICES",
        linux(raw_devices="/dev/vdb; /dev/vdc;"),
        raw_devices.RAW,
        ("/dev/vdb", "/dev/vdc"),
    ),
    Case("RAW_DEVICES", linux(raw_devices=None), NOT_REPORTED, ("raw_devices",)),
    Case("DISK_INFO", linux(volume_groups=None), NOT_REPORTED, ("volume_groups",)),
    Case(
        "DISK_INFO",
        linux(volume_groups=None, missing=SOME_MISSING),
        NOT_REPORTED,
        ("volume_groups: lvs: not root",),
    ),
    Case("DISK_INFO", linux(disks=None), UNKNOWN, ("disks",)),
    Case("DISK_INFO", linux(disks=()), disk_info.NO_DISKS),
    Case("DISK_INFO", linux(disks=(DISK,) + (DATA,) * 22), None),
    Case("DISK_INFO", linux(disks=(DISK,) + (DATA,) * 23), disk_info.TOO_MANY, ("24", "23")),
    Case("DISK_INFO", disk(size=0), disk_info.NO_SIZE, ("/dev/vda",)),
    Case("DISK_INFO", disk(size=None, name=None), disk_info.NO_SIZE, ("disk 1",)),
    Case("DISK_INFO", linux(disks=(DATA,), volume_groups=()), disk_info.NO_ROOT),
    Case("DISK_INFO", linux(disks=(replace(DATA, os_disk=True),), volume_groups=()), None),
    Case("DISK_INFO", linux(disks=(replace(DATA, device_use="OS"),), volume_groups=()), None),
    Case("DISK_INFO", linux(root_free=200 * MIB), None),
    Case("DISK_INFO", linux(root_free=200 * MIB - 1), disk_info.ROOT_FULL, ("199", "200")),
    Case("DISK_INFO", linux(root_free=None), None),
    Case(
        "DISK_INFO",
        replace(partition(used_size=10 * GIB - MIB), facts=None),
        disk_info.ROOT_FULL,
        ("1", "200"),
    ),
    Case(
        "DISK_INFO",
        replace(partition(used_size=11 * GIB), facts=None),
        disk_info.ROOT_FULL,
        ("0", "200"),
    ),
    Case("DISK_INFO", replace(partition(used_size=None), facts=None), UNKNOWN, ("root_free",)),
    Case("DISK_INFO", replace(partition(size=None), facts=None), UNKNOWN, ("root_free",)),
    Case("PARTITION_STYLE", linux(disks=None), UNKNOWN, ("disks",)),
    Case("PARTITION_STYLE", disk(partition_style="gpt"), None),
    Case("PARTITION_STYLE", disk(partition_style=None), UNKNOWN, ("/dev/vda partition_style",)),
    Case(
        "PARTITION_STYLE",
        disk(partition_style="LDM"),
        partition_style.UNSUPPORTED,
        ("/dev/vda (LDM)",),
    ),
    Case("PARTITION_STYLE", disk(partition_style=""), partition_style.NO_TABLE, ("/dev/vda",)),
    Case(
        "PARTITION_STYLE",
        linux(disks=(replace(DATA, device_use="BOOT"),)),
        partition_style.NO_TABLE,
        ("/dev/vdb",),
    ),
    Case("PARTITION_STYLE", linux(disks=(DATA,)), None),
    *(
        Case("FILE_SYSTEM", partition(file_system=file_system), None)
        for file_system in ("ext2", "ext3", "ext4", "vfat", "xfs", "btrfs", "swap", "")
    ),
    *(
        Case(
            "FILE_SYSTEM",
            partition(file_system=name),
            file_system.UNSUPPORTED,
            (f"/dev/vda1 ({name})",),
        )
        for name in ("ntfs", "zfs_member", "iso9660")
    ),
    Case("FILE_SYSTEM", partition(file_system=None), UNKNOWN, ("/dev/vda1 file_system",)),
    Case(
        "FILE_SYSTEM",
        replace(partition(file_system=None), facts=replace(FACTS, missing=SOME_MISSING)),
        UNKNOWN,
        ("/dev/vda1 file_system: blkid was killed",),
    ),
    Case("FILE_SYSTEM", linux(disks=None), UNKNOWN, ("disks",)),
    Case("FILE_SYSTEM", linux(btrfs_list=None), NOT_REPORTED, ("btrfs_list",)),
    Case(
        "FILE_SYSTEM",
        linux(stacks=(Stack(name="/dev/md0", kind="raid1", components=(), file_system="jfs"),)),
        file_system.UNSUPPORTED,
        ("/dev/md0 (jfs)",),
    ),
]
