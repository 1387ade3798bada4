from dataclasses import replace

from rehost.model.disk import Disk, LogicalVolume, VolumeGroup
from rehost.model.server import Firmware, Hardware, NetworkMount, Stack, Tracking
from rehost.stages.check import (
    change_tracking,
    disk_size,
    encrypted_volume,
    lvm_nested,
    multipath,
    network_mount,
    secure_boot,
    virtio_initramfs,
)
from rehost.stages.check.rule import CHOSEN, UNKNOWN
from tests.unit.check.cases import Case
from tests.unit.check.reports import FACTS, GIB, TIB, linux, partition


def tracking(kernel="6.1.0", bpf=True, block_tracepoints=True, blktrace=False, **changes):
    probed = Tracking(bpf=bpf, block_tracepoints=block_tracepoints, blktrace=blktrace)
    return linux(kernel_version=kernel, tracking=probed, **changes)


def disk(size: int, style: str = "MBR"):
    return linux(disks=(Disk(name="/dev/vda", size=size, partition_style=style),))


def hardware(**changes):
    return linux(hardware=(Hardware(**{"name": "/dev/vda"} | changes),))


def group(components: str, *volumes: LogicalVolume):
    return linux(volume_groups=(VolumeGroup(components=components, logical_volumes=volumes),))


CRYPT = Stack(name="/dev/mapper/c", kind="crypt", components=("/dev/vda1",), file_system="ext4")
LUKS = partition(file_system="crypto_LUKS")
SDA = Hardware(name="/dev/sda", wwn="0x1", serial="1")
BPF_REFUSED = {"bpf": False, "block_tracepoints": False}

OWN_CASES = [
    Case("VIRTIO_INITRAMFS", linux(virtio_initramfs=("virtio-scsi", "virtio-pci")), None),
    Case(
        "VIRTIO_INITRAMFS",
        linux(virtio_initramfs=("virtio_blk",)),
        virtio_initramfs.NOT_IN_INITRAMFS,
        ("virtio_pci",),
    ),
    Case(
        "VIRTIO_INITRAMFS",
        linux(virtio_initramfs=(), virtio_kernel=None),
        virtio_initramfs.NOT_IN_INITRAMFS,
        ("virtio_pci", "virtio_blk"),
    ),
    Case(
        "VIRTIO_INITRAMFS",
        linux(virtio_initramfs=(), virtio_kernel=("virtio_pci",)),
        virtio_initramfs.NOT_IN_KERNEL,
        ("virtio_blk",),
    ),
    Case(
        "VIRTIO_INITRAMFS",
        linux(virtio_initramfs=None, virtio_kernel=()),
        virtio_initramfs.NOT_IN_KERNEL,
        ("virtio_pci", "virtio_blk"),
    ),
    Case("VIRTIO_INITRAMFS", linux(virtio_initramfs=None), UNKNOWN, ("virtio_initramfs",)),
    Case("CHANGE_TRACKING", tracking("5.5.0-1"), CHOSEN, ("ebpf-mmap",)),
    Case("CHANGE_TRACKING", tracking("5.4.17"), CHOSEN, ("ebpf-lookup",)),
    Case("CHANGE_TRACKING", tracking("4.18.0-553.el8"), CHOSEN, ("ebpf-lookup",)),
    Case("CHANGE_TRACKING", tracking("4.17.9"), change_tracking.TOO_OLD, ("4.17",)),
    Case("CHANGE_TRACKING", tracking("4.17.9", blktrace=True), CHOSEN, ("blktrace",)),
    Case("CHANGE_TRACKING", tracking("10.0.0"), CHOSEN, ("ebpf-mmap",)),
    Case("CHANGE_TRACKING", tracking(architecture="s390x"), change_tracking.REFUSED),
    Case("CHANGE_TRACKING", tracking(architecture="aarch64"), CHOSEN, ("ebpf-mmap",)),
    Case("CHANGE_TRACKING", tracking(**BPF_REFUSED), change_tracking.REFUSED),
    Case("CHANGE_TRACKING", tracking("4.18.0", **BPF_REFUSED), change_tracking.REFUSED),
    Case("CHANGE_TRACKING", tracking(bpf=False, block_tracepoints=None), change_tracking.REFUSED),
    Case("CHANGE_TRACKING", tracking(bpf=None, block_tracepoints=False), change_tracking.REFUSED),
    Case("CHANGE_TRACKING", tracking(blktrace=True, **BPF_REFUSED), CHOSEN, ("blktrace",)),
    Case("CHANGE_TRACKING", tracking(lockdown="integrity"), CHOSEN, ("ebpf-mmap",)),
    Case(
        "CHANGE_TRACKING",
        tracking(blktrace=True, lockdown="integrity", **BPF_REFUSED),
        change_tracking.LOCKED_DOWN,
        ("integrity",),
    ),
    Case(
        "CHANGE_TRACKING",
        tracking(blktrace=True, lockdown="confidentiality"),
        change_tracking.LOCKED_DOWN,
        ("confidentiality",),
    ),
    Case("CHANGE_TRACKING", tracking(bpf=None), UNKNOWN, ("tracking.bpf",)),
    Case(
        "CHANGE_TRACKING",
        tracking(block_tracepoints=None),
        UNKNOWN,
        ("tracking.block_tracepoints",),
    ),
    Case("CHANGE_TRACKING", linux(kernel_version=None), UNKNOWN, ("kernel_version",)),
    Case("CHANGE_TRACKING", linux(kernel_version="odd"), UNKNOWN, ("kernel_version",)),
    Case(
        "CHANGE_TRACKING",
        hardware(name="/dev/pmem0"),
        change_tracking.BIO_DISKS,
        ("/dev/pmem0",),
    ),
    Case("CHANGE_TRACKING", hardware(driver="brd"), change_tracking.BIO_DISKS, ("/dev/vda",)),
    Case("CHANGE_TRACKING", hardware(driver="nvme"), CHOSEN, ("ebpf-mmap",)),
    Case(
        "LVM_NESTED",
        group("/dev/vda2;/dev/mapper/a-b", LogicalVolume(name="/dev/mapper/a-b")),
        lvm_nested.NESTED,
        ("/dev/mapper/a-b",),
    ),
    Case(
        "LVM_NESTED",
        group("/dev/vda2", LogicalVolume(name="/dev/mapper/a-b", file_system="LVM2_member")),
        lvm_nested.NESTED,
        ("/dev/mapper/a-b",),
    ),
    Case("LVM_NESTED", linux(volume_groups=None), None),
    Case("ENCRYPTED_VOLUME", LUKS, encrypted_volume.ENCRYPTED, ("/dev/vda1",)),
    Case(
        "ENCRYPTED_VOLUME",
        replace(LUKS, facts=replace(FACTS, stacks=(CRYPT,))),
        encrypted_volume.ENCRYPTED,
        ("/dev/vda1",),
    ),
    Case(
        "ENCRYPTED_VOLUME",
        linux(stacks=(CRYPT,)),
        encrypted_volume.ENCRYPTED,
        ("/dev/mapper/c",),
    ),
    Case("ENCRYPTED_VOLUME", linux(stacks=(replace(CRYPT, kind="raid1"),)), None),
    Case("ENCRYPTED_VOLUME", linux(stacks=None), None),
    Case("SECURE_BOOT", linux(firmware=Firmware.UEFI), None),
    Case("SECURE_BOOT", linux(firmware=Firmware.UEFI, secure_boot=True), secure_boot.ENABLED),
    Case("SECURE_BOOT", linux(firmware=None, secure_boot=None), UNKNOWN, ("secure_boot",)),
    Case("SECURE_BOOT", linux(firmware=Firmware.BIOS, secure_boot=None), None),
    Case("NETWORK_MOUNT", linux(network_mounts=None), UNKNOWN, ("network_mounts",)),
    Case(
        "NETWORK_MOUNT",
        linux(network_mounts=(NetworkMount(source="a:/b", mount_point="/c", file_system="nfs4"),)),
        network_mount.MOUNTED,
        ("/c (a:/b)",),
    ),
    Case(
        "MULTIPATH",
        linux(hardware=(SDA, replace(SDA, name="/dev/sdb"))),
        multipath.SAME_DISK,
        ("/dev/sda = /dev/sdb",),
    ),
    Case("MULTIPATH", linux(hardware=(SDA, replace(SDA, serial="2"))), None),
    Case("MULTIPATH", linux(hardware=(SDA, replace(SDA, wwn="0x2"))), None),
    Case("MULTIPATH", linux(hardware=(replace(SDA, wwn=None),) * 2), None),
    Case("MULTIPATH", linux(hardware=None), None),
    Case("DISK_SIZE", disk(16 * TIB), None),
    Case("DISK_SIZE", disk(16 * TIB + 1), disk_size.TOO_LARGE, ("/dev/vda (16.0 TB)",)),
    Case("DISK_SIZE", disk(16 * TIB - GIB, "GPT"), None),
    Case("DISK_SIZE", disk(16 * TIB, "GPT"), disk_size.TOO_LARGE, ("/dev/vda (16.0 TB)",)),
    Case("DISK_SIZE", linux(disks=(Disk(),)), None),
]
