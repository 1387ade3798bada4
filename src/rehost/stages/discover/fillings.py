"""What fills each block device: its filesystem or container, where it is mounted, how full it is.

The kind comes from udev, the device's own first blocks, and blkid; the numbers come from the
superblock and the mounted filesystem.
"""

from dataclasses import dataclass, fields, replace

from rehost.errors import HostError
from rehost.model.disk import LogicalVolume, Partition
from rehost.model.server import Stack
from rehost.stages.discover.blocks import Block, Blocks
from rehost.stages.discover.mounts import Mount, Mounts
from rehost.stages.discover.survey import Survey
from rehost.stages.discover.udev import Record
from rehost.storage import signatures
from rehost.storage.content import WITH_INODES, Content
from rehost.storage.lvm import Physical
from rehost.system.host import Space

HEAD = 8192  # bytes: all signatures but those of btrfs, and of md at the end, are in them
UNKNOWN = Content(
    file_system=None, uuid=None, block_size=None, blocks=None, inode_size=None, inodes=None
)
PHYSICAL_VOLUME = "LVM2_member"


# Kinds of block devices, what the report calls them, and what it says of them; () is any kind.
REPORTED_AS: tuple[tuple[tuple[str, ...], str, type[Partition | LogicalVolume | Stack]], ...] = (
    (("disk", "part"), "disks[].physical_volumes[]", Partition),
    (("lvm",), "volume_groups[].logical_volumes[]", LogicalVolume),
    ((), "facts.stacks[]", Stack),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The block devices, and what udev and LVM know of them, by kernel name.

    `physical_volumes` is empty if LVM could not be asked.
    """

    blocks: Blocks
    mounts: Mounts
    records: dict[str, Record]
    physical_volumes: dict[str, Physical]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """As the fields of Partition and LogicalVolume in the model: None is not known."""

    file_system: str | None
    uuid: str | None
    mount_point: str
    used: int | None
    block_size: int | None
    blocks: int | None
    inode_size: int | None
    inodes: int | None


def fill(survey: Survey, layout: Layout, block: Block) -> Filling:
    """What cannot be found out is None, and noted in `survey`."""
    fact = _Fact(block)
    mount = layout.mounts.of(block)
    content = _content(survey, layout, block, fact) or UNKNOWN
    space = _space(survey, mount, fact) if mount else None
    return Filling(
        file_system=content.file_system,
        uuid=content.uuid,
        mount_point=layout.mounts.point(block),
        used=_used_in(space, content) if mount else _used_of(survey, layout, block, content, fact),
        block_size=content.block_size or (space.block_size if space else content.block_size),
        blocks=content.blocks or (space.blocks if space else content.blocks),
        inode_size=content.inode_size,
        inodes=_inodes(content, space),
    )


class _Fact:
    """Names in the report of what is said of a block device."""

    def __init__(self, block: Block) -> None:
        self._prefix, self._fields = next(
            (prefix, {f.name for f in fields(model)})
            for kinds, prefix, model in REPORTED_AS
            if block.kind in kinds or not kinds
        )

    def field(self, name: str) -> str:
        return f"{self._prefix}.{name}"

    def miss(self, survey: Survey, name: str, reason: str) -> None:
        """A word only about what the report would have said."""
        if name in self._fields:
            survey.miss(self.field(name), reason)


def _content(survey: Survey, layout: Layout, block: Block, fact: "_Fact") -> Content | None:
    """None if nobody can tell."""
    record = layout.records.get(block.name)
    known = record.get("FS_TYPE") if record else ""
    try:
        own = _identify(survey, block)
    except HostError as e:
        mount = layout.mounts.of(block)
        kind = known or _kind_of(mount) or ("" if record else None)
        return _unread(survey, kind, record, fact=fact, reason=str(e))
    if own and known in ("", own.file_system):
        return own
    if record:
        return Content(file_system=known, uuid=record.get("FS_UUID"))
    return survey.attempt(fact.field("file_system"), lambda: _ask_blkid(survey, block))


def _identify(survey: Survey, block: Block) -> Content | None:
    head = survey.host.read(block.path, size=HEAD)

    def read(offset: int, size: int) -> bytes:
        if offset + size <= HEAD:
            return head[offset : offset + size]
        return survey.host.read(block.path, offset=offset, size=size)

    return signatures.identify(read, size=block.size)


def _kind_of(mount: Mount | None) -> str:
    return mount.file_system if mount and not mount.file_system.startswith("fuse") else ""


def _unread(
    survey: Survey, kind: str | None, record: Record | None, *, fact: "_Fact", reason: str
) -> Content | None:
    """What is known of a device whose blocks cannot be read."""
    if kind is None:
        fact.miss(survey, "file_system", reason)
        return None
    if not record:
        fact.miss(survey, "uuid", reason)
    if kind in WITH_INODES:
        fact.miss(survey, "inode_size", reason)
    uuid = record.get("FS_UUID") if record else None
    return (
        replace(UNKNOWN, file_system=kind, uuid=uuid)
        if kind in WITH_INODES
        else Content(file_system=kind, uuid=uuid)
    )


def _ask_blkid(survey: Survey, block: Block) -> Content:
    """For the many formats that storage/ does not know. Raises HostError."""
    # -p reads the device, and neither reads nor writes the cache; 2 is "nothing found".
    printed = survey.host.run(["blkid", "-p", "-o", "export", block.path], ok=(0, 2))
    pairs = dict(line.split("=", 1) for line in printed.splitlines() if "=" in line)
    return Content(file_system=pairs.get("TYPE", ""), uuid=pairs.get("UUID", ""))


def _space(survey: Survey, mount: Mount, fact: "_Fact") -> Space | None:
    return survey.attempt(fact.field("used_size"), lambda: survey.host.space(mount.point))


def _used_in(space: Space | None, content: Content) -> int | None:
    if content.allocated is not None:
        return content.allocated
    return (space.blocks - space.free) * space.block_size if space else None


def _used_of(
    survey: Survey, layout: Layout, block: Block, content: Content, fact: "_Fact"
) -> int | None:
    """Nobody can say what of an unmounted device may be left out."""
    if content.allocated is not None:
        return content.allocated
    if content.file_system != PHYSICAL_VOLUME:
        return block.size
    known = layout.physical_volumes.get(block.name)
    if not known:
        fact.miss(survey, "used_size", f"LVM does not say how much of {block.path} is used")
        return None
    return known.used


def _inodes(content: Content, space: Space | None) -> int | None:
    """xfs makes inodes as it needs them: a mounted one says how many there may be.

    How many there are is in its superblock, but there it is old until it is unmounted.
    """
    if space and (content.file_system == "xfs" or content.inodes is None):
        return space.files
    return content.inodes
