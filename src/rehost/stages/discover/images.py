"""Disks that an administrator gave the machine besides its own: image files, or loop devices.

They are looked at as disks are: a partition table, and what its partitions hold. Nothing in them
is mounted, as far as is known here.
"""

from collections.abc import Iterator

from rehost.errors import BadFormat
from rehost.model.disk import DeviceUse, Disk, Partition
from rehost.model.ranges import Range
from rehost.storage import partitions, signatures
from rehost.storage.content import Content
from rehost.storage.partitions import Table
from rehost.storage.used.partitions import partitions as places
from rehost.storage.used.volume import Read, window
from rehost.system.reader import Reader

NOTHING = Content(file_system="")


def find_image(path: str) -> Disk:
    """Raises FileMissing, FileUnreadable. What is in it has no doubt of its own: "" for unknown."""
    with Reader(path, direct=False) as image:
        table = _table(image.read, image.size)
        parts = tuple(_partitions(path, image.read, image.size, table))
        return Disk(
            name=path,
            partition_style=table.style if table else "",
            device_use=DeviceUse.NORMAL,
            size=image.size,
            used_size=sum(part.used_size or 0 for part in parts),
            os_disk=False,
            relation_name="",
            inode_size=0,
            physical_volumes=parts,
        )


def _table(read: Read, size: int) -> Table | None:
    try:
        return partitions.parse(read(0, min(size, partitions.SIZE)))
    except BadFormat:
        return None


def _partitions(path: str, read: Read, size: int, table: Table | None) -> Iterator[Partition]:
    if table is None:
        if (content := _content(read, size)) is not NOTHING:
            yield _partition(path, 0, Range(offset=0, length=size), content)
        return
    try:
        found = places(read, size=size, sector=None)
    except BadFormat:  # it is copied whole, whatever is wrong with it
        return
    for index, where in enumerate(found, 1):
        part = window(read, offset=where.offset, size=where.length)
        yield _partition(f"{path}p{index}", index, where, _content(part, where.length))


def _partition(name: str, index: int, where: Range, content: Content) -> Partition:
    return Partition(
        name=name,
        index=index,
        device_use=DeviceUse.NORMAL,
        file_system=content.file_system,
        mount_point="",
        size=where.length,
        used_size=where.length,
        inode_size=content.inode_size,
        inode_nums=content.inodes,
        uuid=content.uuid,
        size_per_cluster=content.block_size,
    )


def _content(read: Read, size: int) -> Content:
    def within(offset: int, length: int) -> bytes:
        return read(offset, min(length, max(0, size - offset)))

    return signatures.identify(within, size=size) or NOTHING
