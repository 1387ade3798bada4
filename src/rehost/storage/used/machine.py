"""The disk, and the kernel's devices for its parts, where it has some."""

from contextlib import ExitStack

from rehost.model.ranges import Range
from rehost.storage.content import expect
from rehost.storage.used.volume import Segment, Volume, joined, window
from rehost.system import holders
from rehost.system.reader import Reader


class Machine:
    """Makes volumes of the parts of a disk or image; what it opens is closed with `stack`."""

    def __init__(self, disk: str, stack: ExitStack) -> None:
        self._stack = stack
        self._mounts = holders.mounts()
        self._parts = holders.parts(disk)
        self._direct = stack.enter_context(Reader(disk, direct=True))
        self.size = self._direct.size
        self._node = disk if holders.number_of(disk) else self._parts.get(self._whole)

    @property
    def sector(self) -> int | None:
        """Bytes in which the disk counts, None for an image."""
        return holders.sector_of(self._node) if self._node else None

    @property
    def _whole(self) -> Range:
        return Range(offset=0, length=self.size)

    def disk(self) -> Volume:
        if self._node:
            return self._of_node(self._node, self.size)
        read = self._direct.read
        in_use = self._has_fuse(self._direct.path)
        return Volume(size=self.size, read=read, read_cached=read, is_claimed=in_use)

    def part(self, where: Range) -> Volume:
        """A partition. Raises BadFormat if the kernel has divided the disk in another way."""
        if node := self._parts.get(where):
            return self._of_node(node, where.length)
        for other in self._parts:
            apart = other.end <= where.offset or where.end <= other.offset
            expect(apart or other == self._whole, "the kernel knows other partitions")
        read = window(self._direct.read, offset=where.offset, size=where.length)
        return Volume(size=where.length, read=read, read_cached=read)

    def inside(
        self, below: Volume, segments: tuple[Segment, ...], *, size: int, mapped: str = ""
    ) -> Volume:
        """A volume made of stretches of another: a logical volume by its name, or a RAID1.

        Parts of it may be elsewhere; then it can be read only if the kernel has it.
        """
        for node in below.holders:
            if holders.mapped_name(node) == mapped:
                return self._of_node(node, size)
        read = joined(below.read, segments, size=size)
        return Volume(size=size, read=read, read_cached=read)

    def expect_known(self, below: Volume, names: tuple[str, ...]) -> None:
        """Raises BadFormat if the kernel has made anything else of a physical volume.

        The device mapper has layers of its own for some volumes, as for snapshots: name-real.
        """
        for holder in below.holders:
            mapped = holders.mapped_name(holder)
            known = any(mapped == name or mapped.startswith(f"{name}-") for name in names)
            expect(known, f"{holder} is made of it")
        expect(bool(below.holders) or not below.is_claimed, "it is in use, and not by LVM")

    def _of_node(self, node: str, size: int) -> Volume:
        direct = self._stack.enter_context(Reader(node, direct=True))
        cached = self._stack.enter_context(Reader(node, direct=False))
        expect(direct.size == size, f"{node} is not as long as what it stands for")
        number = holders.number_of(node)
        paths = tuple(
            m.path
            for m in self._mounts
            if number == m.number and not m.file_system.startswith("fuse")
        )
        return Volume(
            size=size,
            read=direct.read,
            read_cached=cached.read,
            node=node,
            is_mounted=bool(paths) or holders.is_active(node),
            mount_points=paths,
            holders=holders.holders(node),
            is_claimed=self._has_fuse(node) or holders.is_claimed(node),
        )

    def _has_fuse(self, path: str) -> bool:
        """A process has the filesystem mounted, and keeps to itself what it has not written."""
        return any(m.file_system.startswith("fuse") and m.source == path for m in self._mounts)
