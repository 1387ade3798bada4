"""btrfs: its superblock, and what the btrfs tool prints.

Formats: struct btrfs_super_block in the kernel's include/uapi/linux/btrfs_tree.h;
btrfs-subvolume(8).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from rehost.errors import BadFormat
from rehost.storage.content import Content, expect, number, text, uuid

OFFSET, SIZE = 65536, 4096  # of the superblock
DEVICE_ITEM = 201
SYSTEM_CHUNKS = 811  # a key of 17 bytes, then a chunk whose type is at byte 24
CHUNK_TYPE = SYSTEM_CHUNKS + 17 + 24

# BTRFS_BLOCK_GROUP_…; none of them is "single".
PROFILES = {
    1 << 3: "raid0",
    1 << 4: "raid1",
    1 << 5: "dup",
    1 << 6: "raid10",
    1 << 7: "raid5",
    1 << 8: "raid6",
    1 << 9: "raid1c3",
    1 << 10: "raid1c4",
}
TOP_LEVEL = "5"

SUBVOLUME = re.compile(
    r"ID (?P<id>\d+) gen \d+(?: cgen \d+)? (?:parent (?P<parent>\d+) )?top level (?P<top>\d+)"
    r".*? parent_uuid (?P<parent_uuid>\S+)\s+uuid (?P<uuid>\S+) path (?P<path>.*)"
)
SPACE = re.compile(r"(?P<kind>\w+), (?P<profile>\w+): total=\d+, used=(?P<used>\d+)")
DEFAULT = re.compile(r"ID (?P<id>\d+)(?: \(FS_TREE\)|.* path (?P<path>.*))")


@dataclass(frozen=True, slots=True, kw_only=True)
class Superblock:
    """Of one device of a filesystem; `allocated` are the bytes that chunks take on it."""

    uuid: str
    label: str
    size: int
    used: int
    devices: int
    sectorsize: int
    nodesize: int
    allocated: int
    system_profile: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """A line of `btrfs filesystem df`: `kind` is data, system, metadata or globalreserve."""

    kind: str
    profile: str
    used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Subvolume:
    id: str
    parent_id: str
    uuid: str
    path: str
    is_snapshot: bool


def parse(superblock: bytes) -> Content:
    """Raises BadFormat unless this is a superblock."""
    s = parse_superblock(superblock)
    return Content(
        file_system="btrfs",
        uuid=s.uuid,
        block_size=s.sectorsize,
        allocated=s.allocated if s.devices > 1 else None,
    )


def parse_superblock(raw: bytes) -> Superblock:
    """Raises BadFormat unless this is a superblock."""
    expect(len(raw) >= SIZE and raw[64:72] == b"_BHRfS_M", "no btrfs superblock")
    kind = number(raw, CHUNK_TYPE, 8)
    return Superblock(
        uuid=uuid(raw[32:48]),
        label=text(raw[299:555]),
        size=number(raw, 112, 8),
        used=number(raw, 120, 8),
        devices=number(raw, 136, 8),
        sectorsize=number(raw, 144, 4),
        nodesize=number(raw, 148, 4),
        allocated=number(raw, DEVICE_ITEM + 16, 8),
        system_profile=next((name for bit, name in PROFILES.items() if kind & bit), "single"),
    )


def parse_df(text: str) -> Iterator[Usage]:
    """What `btrfs filesystem df -b` prints, but for any warnings after it."""
    for line in filter(str.strip, text.splitlines()):
        found = SPACE.fullmatch(line.strip())
        if found:
            kind, profile = found["kind"].lower(), found["profile"].lower()
            yield Usage(kind=kind, profile=profile, used=int(found["used"]))


def parse_subvolumes(text: str) -> Iterator[Subvolume]:
    """What `btrfs subvolume list -p -q -u` prints. Raises BadFormat for a line it cannot read."""
    for line in text.splitlines():
        found = SUBVOLUME.fullmatch(line)
        if not found:
            raise BadFormat(f"no subvolume: {line[:100]}")
        yield Subvolume(
            id=found["id"],
            parent_id=found["parent"] or found["top"],
            uuid="" if found["uuid"] == "-" else found["uuid"],
            path=found["path"],
            is_snapshot=found["parent_uuid"] != "-",
        )


def from_top_level(listed: Iterable[Subvolume], asked: str) -> Iterator[Subvolume]:
    """The subvolumes with whole paths.

    What is below the subvolume that was asked about, by its id, is listed with a path from there.
    """
    by_id = {s.id: s for s in listed}
    for subvolume in by_id.values():
        if asked in _above(subvolume, by_id):
            yield replace(subvolume, path=f"{by_id[asked].path}/{subvolume.path}")
        else:
            yield subvolume


def parse_default(text: str) -> tuple[str, str]:
    """Id and path of `btrfs subvolume get-default`; the path of the top level is ""."""
    found = DEFAULT.match(text.strip())
    if not found:
        raise BadFormat(f"no default subvolume: {text[:100]}")
    return found["id"], found["path"] or ""


def _above(subvolume: Subvolume, by_id: dict[str, Subvolume]) -> list[str]:
    """The ids of the subvolumes that it is in."""
    ids: list[str] = []
    while subvolume.parent_id in by_id and subvolume.parent_id not in ids:
        ids.append(subvolume.parent_id)
        subvolume = by_id[subvolume.parent_id]
    return ids
