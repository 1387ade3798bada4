"""Every place of a source that can hold a filesystem, whatever it is made of."""

from collections.abc import Iterator
from dataclasses import dataclass

from rehost.model.disk import DeviceUse
from rehost.model.server import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A partition, whole-disk filesystem, logical volume, md or dm-crypt device."""

    name: str
    fact: str  # where it is in the report
    file_system: str | None
    mount_point: str | None
    device_use: str | None
    size: int | None
    used_size: int | None

    @property
    def is_root(self) -> bool:
        return self.mount_point == "/" or self.device_use == DeviceUse.OS

    @property
    def free(self) -> int | None:
        if self.size is None or self.used_size is None:
            return None
        return max(0, self.size - self.used_size)


def volumes(report: Report) -> Iterator[Volume]:
    """All volumes of a source. A container ("LVM2_member") and what it holds both appear."""
    for disk in report.disks or ():
        for entry in disk.physical_volumes or ():
            yield Volume(
                name=entry.name or f"{disk.name or '?'} partition {entry.index or 0}",
                fact="disks[].physical_volumes[]",
                file_system=entry.file_system,
                mount_point=entry.mount_point,
                device_use=entry.device_use,
                size=entry.size,
                used_size=entry.used_size,
            )
    for group in report.volume_groups or ():
        for volume in group.logical_volumes or ():
            yield Volume(
                name=volume.name or f"{group.name or '?'}/?",
                fact="volume_groups[].logical_volumes[]",
                file_system=volume.file_system,
                mount_point=volume.mount_point,
                device_use=volume.device_use,
                size=volume.size,
                used_size=volume.used_size,
            )
    for stack in (report.facts and report.facts.stacks) or ():
        yield Volume(
            name=stack.name,
            fact="facts.stacks[]",
            file_system=stack.file_system,
            mount_point=stack.mount_point,
            device_use=None,
            size=stack.size,
            used_size=stack.used_size,
        )
