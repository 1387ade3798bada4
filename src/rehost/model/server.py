"""A source server as its agent reports it. See disk.py for the rules on names and None."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from rehost.model.disk import Btrfs, Disk, VolumeGroup
from rehost.model.limits import Count, Int, Long, LongText, Meta, Name, Text


class OsType(StrEnum):
    WINDOWS = "WINDOWS"
    LINUX = "LINUX"


class Firmware(StrEnum):
    BIOS = "BIOS"
    UEFI = "UEFI"


class Platform(StrEnum):
    """Where a source runs now, in the API's words."""

    HUAWEI = "hw"
    ALIBABA = "ali"
    AWS = "aws"
    AZURE = "azure"
    GCP = "gcp"
    TENCENT = "tencent"
    VMWARE = "vmware"
    HYPERV = "hyperv"
    OTHER = "other"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network interface with hardware behind it. `ipv6` is the first global address."""

    mac: Text
    name: Text | None = None
    ip: Text | None = None
    ipv6: Text | None = None
    netmask: Text | None = None
    gateway: Text | None = None
    mtu: Int | None = None
    id: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What tells one machine from another, raw; model/identity.py compares it."""

    machine_id: Text | None = None
    dmi_uuid: Text | None = None
    disk_serials: tuple[Text, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """A disk's hardware. `bus` is the kernel's word: virtio, nvme, sata, scsi, usb, xen …"""

    name: Text
    serial: Text | None = None
    wwn: Text | None = None
    model: Text | None = None
    bus: Text | None = None
    driver: Text | None = None
    logical_sector: Int | None = None
    physical_sector: Int | None = None
    read_only: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A block device made of others: md RAID or dm-crypt. Logical volumes are in VolumeGroup.

    `kind` is lsblk's type ("raid1", "crypt", "mpath"); `components` are paths of the devices
    right below; `file_system` and the rest as for a Partition.
    """

    name: Text
    kind: Text
    components: tuple[Text, ...]
    size: Long | None = None
    file_system: Text | None = None
    mount_point: Text | None = None
    used_size: Long | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkMount:
    """A mounted network filesystem: it is not part of any disk and is not migrated."""

    source: Annotated[str, Meta(max_length=4096)]
    mount_point: Annotated[str, Meta(max_length=4096)]
    file_system: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """What this kernel offers for changed-block tracking; control judges it."""

    bpf: bool | None = None  # the bpf system call works for this process
    block_tracepoints: bool | None = None  # block_rq_issue and block_rq_complete exist
    blktrace: bool | None = None  # CONFIG_BLK_DEV_IO_TRACE


class NamedBy(StrEnum):
    """Why a network card has its name, and so whether it keeps it in another machine."""

    KERNEL = "kernel"  # in the order in which the kernel finds cards: eth0
    PLACE = "place"  # by slot, port or firmware: ens3, enp0s2
    ADDRESS = "address"  # by its MAC address alone: a file or a policy says so


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A network card: hardware, not a bond or a VLAN. `named_by` None is not known."""

    name: Text
    mac: Text
    named_by: NamedBy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceName:
    """A file names a block device in a way that another machine does not share: /dev/sda1.

    `lasting` is the name that goes with what is on it, "UUID=…", or with its partition,
    "PARTUUID=…"; "" if there is none that is its own.
    """

    file: Text
    name: LongText
    lasting: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """The root filesystem; `subvolume` is the path in a btrfs, "" in others or at its top.

    `encrypted`: its contents cannot be read without a key.
    """

    uuid: Text = ""
    subvolume: LongText = ""
    encrypted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A fact that could not be had, named as in the report ("disks[].used_size"), and why."""

    fact: Text
    reason: Annotated[str, Meta(max_length=1024)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What our own agent reports beyond the public registration body."""

    identity: Identity = Identity()
    distribution: Text | None = None  # PRETTY_NAME
    architecture: Text | None = None  # uname -m
    cpu_model: Text | None = None
    cpu_usage: float | None = None  # percent of all cores
    free_memory: Long | None = None  # bytes a new process could have (MemAvailable)
    root_free: Long | None = None  # bytes free on the root filesystem
    hypervisor: Text | None = None  # systemd-detect-virt's word, "none" on bare metal
    vendor: Text | None = None
    product: Text | None = None
    boot_file: Annotated[
        Text | None,
        Meta(description=r"The loader that UEFI firmware started, as \EFI\debian\shimx64.efi."),
    ] = None
    secure_boot: bool | None = None
    lockdown: Text | None = None  # none, integrity, confidentiality
    virtio_kernel: tuple[Text, ...] | None = None  # drivers built in or as modules
    virtio_initramfs: tuple[Text, ...] | None = None  # drivers the initramfs has or needs not
    hardware: tuple[Hardware, ...] | None = None
    stacks: tuple[Stack, ...] | None = None
    network_mounts: tuple[NetworkMount, ...] | None = None
    tracking: Tracking = Tracking()
    cards: tuple[Card, ...] | None = None
    device_names: tuple[DeviceName, ...] | None = None
    root: Root | None = None
    cloud_init: bool | None = None  # it is installed, and nobody keeps it from the network
    # Files that let LVM see only devices named as this machine alone names them.
    lvm_limits: tuple[Text, ...] | None = None
    missing: tuple[Missing, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The registration body: everything control knows of a source comes from it.

    `memory` is bytes from our agent; others may send MB, and what was sent is shown.
    `raw_devices` joins disks without partition table or filesystem with ";". `io_read_wait` is
    the mean time of a read, in ms. `facts` is None from any agent but ours.
    """

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    os_type: OsType
    os_version: Name
    networks: tuple[Network, ...]
    agent_version: Text
    id: Text | None = None
    ip: Text | None = None
    ipv6: Text | None = None
    hostname: Text | None = None
    firmware: Firmware | None = None
    cpu_quantity: Count | None = None
    memory: Long | None = None
    disks: tuple[Disk, ...] | None = None
    volume_groups: tuple[VolumeGroup, ...] | None = None
    btrfs_list: tuple[Btrfs, ...] | None = None
    domain_id: Text | None = None
    has_rsync: bool | None = None
    has_tc: bool | None = None
    paravirtualization: bool | None = None
    raw_devices: Annotated[str, Meta(max_length=65535)] | None = None
    boot_loader: Text | None = None
    kernel_version: Text | None = None
    system_dir: Text | None = None
    oem_system: bool | None = None
    driver_files: bool | None = None
    system_services: bool | None = None
    account_rights: bool | None = None
    linux_block_check: Text | None = None
    start_type: Text | None = None
    io_read_wait: float | None = None
    platform: Platform | None = None
    facts: Facts | None = None
