"""Which devices hold the boot files, and which the root filesystem."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from rehost.model.disk import DeviceUse
from rehost.stages.discover.blocks import Block, Blocks
from rehost.stages.discover.fillings import Filling
from rehost.stages.discover.mounts import Mounts

ESP_MOUNTS = ("/boot/efi", "/efi", "/boot/EFI")


@dataclass(frozen=True, slots=True)
class Roles:
    """Kernel names of the devices that each is on, down to the disks."""

    boot: frozenset[str]
    root: frozenset[str]

    def of(self, block: Block) -> DeviceUse:
        """The role of a partition or volume: the root filesystem comes first."""
        if block.name in self.root:
            return DeviceUse.OS
        return DeviceUse.BOOT if block.name in self.boot else DeviceUse.NORMAL

    def of_disk(self, disk: Block) -> DeviceUse:
        """The role of a disk: the boot files come first."""
        if disk.name in self.boot:
            return DeviceUse.BOOT
        return DeviceUse.OS if disk.name in self.root else DeviceUse.NORMAL


def find_roles(blocks: Blocks, mounts: Mounts, fillings: Mapping[str, Filling]) -> Roles:
    root = mounts.device_of("/")
    boot = mounts.device_of("/boot") or root
    esp = {name for point in ESP_MOUNTS if (name := mounts.device_of(point))}
    return Roles(boot=_under(blocks, fillings, {boot, *esp}), root=_under(blocks, fillings, {root}))


def _under(
    blocks: Blocks, fillings: Mapping[str, Filling], names: Iterable[str | None]
) -> frozenset[str]:
    devices = {device for name in names if name for device in _same_filesystem(fillings, name)}
    return frozenset(b.name for d in devices for b in blocks.below(blocks.all[d]))


def _same_filesystem(fillings: Mapping[str, Filling], name: str) -> Iterator[str]:
    """A btrfs filesystem may be on several devices."""
    yield name
    own = fillings.get(name)
    if own and own.file_system == "btrfs" and own.uuid:
        yield from (n for n, f in fillings.items() if f.uuid == own.uuid)
