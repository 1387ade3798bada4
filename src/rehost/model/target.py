"""The target that control recommends for a source: the API's init_target_server."""

from dataclasses import dataclass
from typing import Annotated

from rehost.model.disk import DeviceUse, Partition, VolumeGroup
from rehost.model.limits import Long, Meta


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetDisk:
    """A disk to create; `physical_volumes` are the source's, as they arrive there."""

    name: str
    size: int  # bytes
    used_size: int | None
    device_use: DeviceUse
    physical_volumes: tuple[Partition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendedTarget:
    disks: tuple[TargetDisk, ...]
    volume_groups: tuple[VolumeGroup, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskChoice:
    """What an operator wants otherwise than recommended for a disk; `id` is the disk's name.

    `adjust_size` is the size of the target's disk in bytes.
    """

    id: Annotated[str, Meta(min_length=1, max_length=255)]
    need_migration: bool | None = None
    adjust_size: Long | None = None
