"""What is mounted where. Formats: proc_pid_mountinfo(5), proc_swaps(5)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rehost.errors import BadFormat
from rehost.model.server import NetworkMount
from rehost.stages.discover.blocks import Block, Blocks
from rehost.stages.discover.survey import Survey

NETWORK = {
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "glusterfs", "gpfs", "lustre", "ncpfs",
    "nfs", "nfs4", "ocfs2", "orangefs", "smb3", "smbfs", "virtiofs",
    "fuse.blobfuse", "fuse.blobfuse2", "fuse.ceph", "fuse.ceph-fuse", "fuse.cosfs",
    "fuse.davfs", "fuse.gcsfuse", "fuse.glusterfs", "fuse.juicefs", "fuse.moosefs", "fuse.obsfs",
    "fuse.curlftpfs", "fuse.ossfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs",
}  # fmt: skip
ESCAPE = re.compile(r"\\([0-7]{3})")
SWAP = "[SWAP]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """`root` is the path inside the filesystem that is mounted: "/", or a btrfs subvolume."""

    number: str
    root: str
    point: str
    file_system: str
    source: str

    @property
    def is_network(self) -> bool:
        return self.file_system in NETWORK


@dataclass(frozen=True, slots=True)
class Mounts:
    """Mounts of block devices, in the order they were made; devices by their kernel names."""

    by_device: dict[str, list[Mount]]
    by_point: dict[str, str]
    network: tuple[NetworkMount, ...]
    swaps: frozenset[str]

    def of(self, block: Block) -> Mount | None:
        """The mount that shows most of the device: / before others, the whole before parts."""
        mounts = self.by_device.get(block.name, [])
        ranked = sorted(mounts, key=lambda m: (m.point != "/", m.root != "/"))
        return ranked[0] if ranked else None

    def point(self, block: Block) -> str:
        if block.name in self.swaps:
            return SWAP
        mount = self.of(block)
        return mount.point if mount else ""

    def device_of(self, point: str) -> str | None:
        """The kernel name of the device mounted at a mount point."""
        return self.by_point.get(point)


def find_mounts(survey: Survey, blocks: Blocks) -> Mounts:
    """Raises HostError if /proc cannot be read."""
    mounts = list(parse_mountinfo(survey.text("/proc/self/mountinfo")))
    by_device: dict[str, list[Mount]] = {}
    by_point: dict[str, str] = {}
    for mount in mounts:
        block = _device(survey, blocks, mount)
        by_point.pop(mount.point, None)  # What is mounted later hides what was there.
        if block:
            by_device.setdefault(block.name, []).append(mount)
            by_point[mount.point] = block.name
    network = tuple(
        NetworkMount(source=m.source, mount_point=m.point, file_system=m.file_system)
        for m in mounts
        if m.is_network
    )
    swaps = (_at(survey, blocks, path) for path in parse_swaps(survey.text("/proc/swaps", "")))
    return Mounts(by_device, by_point, network, frozenset(b.name for b in swaps if b))


def parse_mountinfo(text: str) -> Iterator[Mount]:
    """Raises BadFormat."""
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        fields, after = left.split(" "), right.split(" ")
        if len(fields) < 6 or len(after) < 2:
            raise BadFormat(f"no mount: {line[:100]}")
        yield Mount(
            number=fields[2],
            root=_plain(fields[3]),
            point=_plain(fields[4]),
            file_system=after[0],
            source=_plain(after[1]),
        )


def parse_swaps(text: str) -> Iterator[str]:
    """The devices and files in /proc/swaps."""
    for line in filter(str.strip, text.splitlines()[1:]):
        yield _plain(line.split()[0])


def _device(survey: Survey, blocks: Blocks, mount: Mount) -> Block | None:
    same = (b for b in blocks.all.values() if b.number == mount.number)
    found = next(same, None)
    # btrfs has device numbers of its own; its source is one of its devices.
    return found or (_at(survey, blocks, mount.source) if mount.file_system == "btrfs" else None)


def _at(survey: Survey, blocks: Blocks, path: str) -> Block | None:
    found = blocks.at(path)
    if not found and path.startswith("/dev/"):
        fact = "disks[].physical_volumes[].mount_point"
        real = survey.attempt(fact, lambda: survey.host.resolve(path))
        found = blocks.at(real) if real else None
    return found


def _plain(escaped: str) -> str:
    """The kernel writes space, tab, newline and backslash as octal numbers."""
    return ESCAPE.sub(lambda found: chr(int(found[1], 8)), escaped)
