"""The target that control recommends for a source: the API's init_target_server."""

from dataclasses import dataclass

from rehost.model.disk import DeviceUse, Partition, VolumeGroup


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
