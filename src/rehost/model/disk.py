"""What is on a server's disks, as an agent reports it and the API shows it.

Field names are the API's, so that a value is its own JSON and one definition serves the agent,
the validation, the OpenAPI document and the checks. All sizes are bytes. `None` means "not
known": the agent could not look. What was looked at and is not there is `""`, `0` or `()`.
"""

from dataclasses import dataclass
from enum import StrEnum

from rehost.model.limits import Int, Long, LongText, Text


class DeviceUse(StrEnum):
    """Role of a disk or volume: holds the boot files, the root filesystem, or neither."""

    BOOT = "BOOT"
    OS = "OS"
    NORMAL = "NORMAL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A partition, or a filesystem that fills a disk without a partition table (index 0).

    The API calls it a physical volume. `file_system` is blkid's word ("ext4", "vfat", "swap"),
    also for containers: "LVM2_member", "crypto_LUKS", "linux_raid_member"; "" if there is none.
    `mount_point` is "" if it is not mounted, "[SWAP]" for swap in use. `size_per_cluster` is the
    filesystem's block size.
    """

    name: Text | None = None
    index: Int | None = None
    device_use: Text | None = None
    file_system: Text | None = None
    mount_point: Text | None = None
    size: Long | None = None
    used_size: Long | None = None
    inode_size: Long | None = None
    inode_nums: Long | None = None
    uuid: Text | None = None
    size_per_cluster: Int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A whole disk: never a loop, zram, CD-ROM, device-mapper or md device.

    `partition_style` is "MBR", "GPT", or "" without a partition table. `os_disk`: the root
    filesystem is on it, directly or through LVM, md or dm-crypt. `relation_name` is the stable
    name under /dev/disk/by-id, "" if it has none. `used_size` is what partitions, physical
    volumes and filesystems without a partition table use; unmounted filesystems count whole.
    """

    name: Text | None = None
    partition_style: Text | None = None
    device_use: Text | None = None
    size: Long | None = None
    used_size: Long | None = None
    os_disk: bool | None = None
    relation_name: Text | None = None
    inode_size: Int | None = None
    physical_volumes: tuple[Partition, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogicalVolume:
    """An LVM logical volume; `name` is its /dev/mapper path."""

    name: LongText | None = None
    device_use: Text | None = None
    file_system: Text | None = None
    mount_point: LongText | None = None
    size: Long | None = None
    used_size: Long | None = None
    free_size: Long | None = None
    block_count: Long | None = None
    block_size: Int | None = None
    inode_size: Int | None = None
    inode_nums: Long | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeGroup:
    """An LVM volume group; `components` joins the paths of its physical volumes with ";"."""

    name: Text | None = None
    components: LongText | None = None
    size: Long | None = None
    free_size: Long | None = None
    logical_volumes: tuple[LogicalVolume, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BtrfsSubvolume:
    """`is_snapshot` is "true" or "false"; ids are decimal texts, as in the API.

    `subvol_name` is the path from the top level, `subvol_mount_path` "" if it is not mounted.
    """

    uuid: Text | None = None
    is_snapshot: Text | None = None
    subvol_id: Text | None = None
    parent_id: Text | None = None
    subvol_name: Text | None = None
    subvol_mount_path: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Btrfs:
    """A btrfs filesystem; `device` joins its devices with ";".

    Profiles are btrfs' words ("single", "dup", "raid1"). `global_reserve1` is the profile of the
    global reserve, `g_vol_used_size` the bytes used in the whole filesystem.
    """

    name: Text | None = None
    label: Text | None = None
    uuid: Text | None = None
    device: Text | None = None
    size: Long | None = None
    nodesize: Long | None = None
    sectorsize: Int | None = None
    data_profile: Text | None = None
    system_profile: Text | None = None
    metadata_profile: Text | None = None
    global_reserve1: Text | None = None
    g_vol_used_size: Long | None = None
    default_subvolid: Text | None = None
    default_subvol_name: Text | None = None
    default_subvol_mountpath: Text | None = None
    subvolumn: tuple[BtrfsSubvolume, ...] | None = None
