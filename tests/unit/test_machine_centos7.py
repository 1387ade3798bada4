"""A machine with the tools of 2014, field by field."""

from pathlib import Path

import pytest

from rehost.model.disk import Disk, LogicalVolume, Partition, VolumeGroup
from rehost.model.server import (
    Facts,
    Firmware,
    Hardware,
    Identity,
    Network,
    NetworkMount,
    Platform,
    Report,
    Tracking,
)
from rehost.stages.discover import discover
from rehost.system.recording import RecordedHost

MACHINE = Path(__file__).parents[1] / "machines" / "centos7"
SDA, SDB = "6000c29a4f6b8d1e2c3f405162738495", "6000c2917d5e3c1b0a9f8e7d6c5b4a39"
DRIVERS = ("virtio_blk", "virtio_net", "virtio_pci", "virtio_scsi")


@pytest.fixture(scope="module")
def report() -> Report:
    return discover(RecordedHost(MACHINE), agent_version="1.0")


@pytest.fixture(scope="module")
def facts(report: Report) -> Facts:
    assert report.facts
    return report.facts


def test_the_system(report):
    assert report.name == report.hostname == "pg01.example.net"
    assert (report.os_type, report.os_version) == ("LINUX", "CENTOS_7_9_64BIT")
    assert report.kernel_version == "3.10.0-1160.119.1.el7.x86_64"
    assert (report.firmware, report.boot_loader) == (Firmware.BIOS, "GRUB")
    assert (report.cpu_quantity, report.memory) == (4, 16265724 * 1024)
    assert (report.has_rsync, report.has_tc, report.paravirtualization) == (True, True, False)
    assert (report.platform, report.agent_version) == (Platform.VMWARE, "1.0")
    assert report.io_read_wait == 4.283


def test_only_the_interface_with_hardware_and_its_first_address(report):
    assert report.networks == (
        Network(
            name="ens192",
            mac="00:50:56:ba:1c:2d",
            ip="10.20.30.41",
            ipv6="",
            netmask="255.255.255.0",
            gateway="10.20.30.1",
            mtu=1500,
            id="",
        ),
    )
    assert (report.ip, report.ipv6) == ("10.20.30.41", None)


def test_disks_but_no_cdrom_floppy_or_logical_volume(report):
    boot = Partition(
        name="/dev/sda1",
        index=1,
        device_use="BOOT",
        file_system="xfs",
        mount_point="/boot",
        size=1 << 30,
        used_size=157515776,
        inode_size=512,
        inode_nums=524288,
        uuid="3f2b7c1e-8d0a-4b57-9a46-0d2f6c1b7e11",
        size_per_cluster=4096,
    )
    system = physical_volume(
        "/dev/sda2",
        index=2,
        device_use="OS",
        size=81786880 * 512,
        used_size=9983 << 22,
        uuid="Yx3kQd-0cXm-W1Lq-8uVt-HnZ2-pR7s-bC4dEf",
    )
    data = physical_volume(
        "/dev/sdb1",
        index=1,
        device_use="NORMAL",
        size=(100 << 30) - (1 << 20),
        used_size=80 << 30,
        uuid="m9LwTe-Qz7R-4kYp-Nc1S-vB8h-jX3g-aD6uKo",
    )
    assert report.disks == (
        Disk(
            name="/dev/sda",
            partition_style="MBR",
            device_use="BOOT",
            size=40 << 30,
            used_size=157515776 + (9983 << 22),
            os_disk=True,
            relation_name=f"scsi-3{SDA}",
            inode_size=0,
            physical_volumes=(boot, system),
        ),
        Disk(
            name="/dev/sdb",
            partition_style="MBR",
            device_use="NORMAL",
            size=100 << 30,
            used_size=80 << 30,
            os_disk=False,
            relation_name=f"scsi-3{SDB}",
            inode_size=0,
            physical_volumes=(data,),
        ),
    )
    assert report.raw_devices == ""


def physical_volume(name: str, **fields) -> Partition:
    """As LVM's partitions are: no filesystem's numbers."""
    return Partition(
        name=name,
        file_system="LVM2_member",
        mount_point="",
        inode_size=0,
        inode_nums=0,
        size_per_cluster=0,
        **fields,
    )


def test_volume_groups(report):
    root = LogicalVolume(
        name="/dev/mapper/centos-root",
        device_use="OS",
        file_system="xfs",
        mount_point="/",
        size=8991 << 22,
        used_size=6779273216,
        free_size=(8991 << 22) - 6779273216,
        block_count=(8991 << 22) // 4096,
        block_size=4096,
        inode_size=512,
        inode_nums=18413568,
    )
    swap = LogicalVolume(
        name="/dev/mapper/centos-swap",
        device_use="NORMAL",
        file_system="swap",
        mount_point="[SWAP]",
        size=992 << 22,
        used_size=992 << 22,
        free_size=0,
        block_count=(992 << 22) // 4096 - 1,
        block_size=4096,
        inode_size=0,
        inode_nums=0,
    )
    pgsql = LogicalVolume(
        name="/dev/mapper/data-pgsql",
        device_use="NORMAL",
        file_system="ext4",
        mount_point="/var/lib/pgsql",
        size=80 << 30,
        used_size=44104179712,
        free_size=(80 << 30) - 44104179712,
        block_count=20971520,
        block_size=4096,
        inode_size=256,
        inode_nums=5242880,
    )
    assert report.volume_groups == (
        VolumeGroup(
            name="centos",
            components="/dev/sda2",
            size=9983 << 22,
            free_size=0,
            logical_volumes=(root, swap),
        ),
        VolumeGroup(
            name="data",
            components="/dev/sdb1",
            size=25599 << 22,
            free_size=(25599 - 20480) << 22,
            logical_volumes=(pgsql,),
        ),
    )
    assert report.btrfs_list == ()


def test_what_it_runs_on(facts):
    assert facts.distribution == "CentOS Linux 7 (Core)"
    assert (facts.architecture, facts.hypervisor) == ("x86_64", "vmware")
    assert facts.cpu_model == "Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz"
    assert (facts.vendor, facts.product) == ("VMware, Inc.", "VMware Virtual Platform")
    assert (facts.free_memory, facts.root_free) == (9821344 * 1024, 30864605184)
    # Of 127 ticks 103 were idle, 1 waited, and 16 were discovery's own.
    assert facts.cpu_usage == 5.5
    assert facts.hardware == tuple(
        Hardware(
            name=name,
            serial=serial,
            wwn=f"0x{serial[:16]}",
            model="VMware Virtual disk",
            bus="scsi",
            driver="vmw_pvscsi",
            logical_sector=512,
            physical_sector=512,
            read_only=False,
        )
        for name, serial in (("/dev/sda", SDA), ("/dev/sdb", SDB))
    )


def test_identity(facts):
    assert facts.identity == Identity(
        machine_id="5f1c0a7d2e8b4c6f9a3d7e1b0c5f8a42",
        dmi_uuid="423a1b7c-9d0e-4f21-8a5b-6c7d8e9fa0b1",
        disk_serials=(SDA, SDB),
    )


def test_how_it_boots_and_what_it_can_track(facts):
    assert (facts.secure_boot, facts.lockdown) == (False, "none")
    assert (facts.virtio_kernel, facts.virtio_initramfs) == (DRIVERS, ())
    assert facts.tracking == Tracking(bpf=True, block_tracepoints=True, blktrace=True)
    assert facts.stacks == ()
    assert facts.network_mounts == (
        NetworkMount(
            source="filer01.example.net:/export/home", mount_point="/home", file_system="nfs4"
        ),
    )


def test_nothing_is_missing(facts):
    assert facts.missing == ()
