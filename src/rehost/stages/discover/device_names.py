"""Where the system names block devices as only this machine does, and its root filesystem."""

import re
from collections.abc import Iterator, Mapping

from rehost.model.server import DeviceName, Root
from rehost.stages.discover.blocks import Block, Blocks
from rehost.stages.discover.fillings import Filling, Layout
from rehost.stages.discover.survey import Survey

# Names by the order in which disks are found, by their place, or by their own hardware.
PASSING = re.compile(
    r"/dev/(([shv]|xv)d[a-z]+\d*|nvme\d+n\d+(p\d+)?|mmcblk\d+(p\d+)?|dm-\d+|cciss/.+"
    r"|disk/by-path/.+|disk/by-id/(?!dm-|md-|lvm-).+)"
)
# Names that go with what is on a device.
LASTING = re.compile(
    r"/dev/(disk/by-(uuid|label|partuuid|partlabel)/.+|disk/by-id/md-.+|md(\d|/|_d).*)"
)
OPTIONS = r"device|logdev|rtdev|journal_path|x-systemd\.\w+"  # of mounts, that name a device
NAMED = frozenset({"lvm", "crypt"})  # kinds of devices whose names somebody chose
# A file, the lines of it that matter, and the device in such a line.
PLACES = (
    ("/etc/fstab", r"^\s*/dev/", re.compile(r"^\s*(\S+)")),
    ("/etc/crypttab", r"^\s*[^#\s]+\s+/dev/", re.compile(r"^\s*\S+\s+(\S+)")),
    ("/proc/cmdline", r"(root|resume)=/dev/", re.compile(r"\b(?:root|resume)=(\S+)")),
    # A device of a btrfs, a journal or a log elsewhere.
    (
        "/etc/fstab",
        rf"^\s*[^#\s]+\s.*[\s,]({OPTIONS})=/dev/",
        re.compile(rf"[\s,](?:{OPTIONS})=(/dev/[^\s,]+)"),
    ),
)
UNITS = "/etc/systemd/system"
UNIT = re.compile(r".+\.mount")  # the name of a .swap says its device, too
WHAT = r"^\s*What\s*=\s*/dev/"
BTRFS = "btrfs"  # has the same UUID on each of its devices


def find_device_names(
    survey: Survey, layout: Layout, fillings: Mapping[str, Filling]
) -> tuple[DeviceName, ...]:
    """Raises HostError."""
    return tuple(
        DeviceName(file=file, name=name, lasting=_lasting(survey, layout.blocks, fillings, name))
        for file, name in dict.fromkeys(_named(survey))
        if _passes(survey, layout.blocks, name)
    )


def find_root(layout: Layout, fillings: Mapping[str, Filling]) -> Root | None:
    """None if it is on no block device of this machine."""
    name = layout.mounts.device_of("/")
    block = layout.blocks.all.get(name or "")
    filling = fillings.get(name or "")
    mount = layout.mounts.of(block) if block else None
    if not block or not mount:
        return None
    return Root(
        uuid=(filling and filling.uuid) or "",
        subvolume=mount.root.strip("/") if mount.file_system == BTRFS else "",
        encrypted=any(b.kind == "crypt" for b in layout.blocks.below(block)),
    )


def _named(survey: Survey) -> Iterator[tuple[str, str]]:
    for file, pattern, device in PLACES:
        for line in survey.grep(file, pattern):
            yield from ((file, name) for name in device.findall(line) if name.startswith("/dev/"))
    for unit in filter(UNIT.fullmatch, survey.entries(UNITS)):
        for line in survey.grep(f"{UNITS}/{unit}", WHAT):
            yield f"{UNITS}/{unit}", line.partition("=")[2].strip()


def _passes(survey: Survey, blocks: Blocks, name: str) -> bool:
    """What is no disk of the machine (a loop device, a CD-ROM, /dev/null) is as it is elsewhere."""
    if LASTING.fullmatch(name):
        return False
    if PASSING.fullmatch(name):
        return True
    block = _block(survey, blocks, name)
    return bool(block and block.kind not in NAMED)


def _lasting(survey: Survey, blocks: Blocks, fillings: Mapping[str, Filling], name: str) -> str:
    block = _block(survey, blocks, name)
    if not block:
        return ""
    filling = fillings.get(block.name)
    if not filling or not filling.uuid:
        return _by_partition(survey, blocks, block)
    same = {n for n, f in fillings.items() if f.uuid == filling.uuid} - _paths(blocks)
    return f"UUID={filling.uuid}" if len(same) <= 1 or filling.file_system == BTRFS else ""


def _by_partition(survey: Survey, blocks: Blocks, block: Block) -> str:
    """For swap with a key that is new each time, for instance: nothing on it has a name."""
    own = _partition_uuid(survey, block)
    paths = _paths(blocks)
    others = (b for b in blocks.all.values() if b != block and b.name not in paths)
    is_alone = own and all(_partition_uuid(survey, b) != own for b in others)
    return f"PARTUUID={own}" if is_alone else ""


def _partition_uuid(survey: Survey, block: Block) -> str:
    if block.kind != "part":
        return ""
    lines = survey.grep(f"/run/udev/data/b{block.number}", "^E:ID_PART_ENTRY_UUID=")
    return "".join(lines[:1]).partition("=")[2]


def _paths(blocks: Blocks) -> frozenset[str]:
    """Each one way of several to the same disk, and its partitions: the map above them counts."""
    ways = {slave for b in blocks.all.values() if b.kind == "mpath" for slave in b.slaves}
    return frozenset(b.name for b in blocks.all.values() if {b.name, b.parent} & ways)


def _block(survey: Survey, blocks: Blocks, name: str) -> Block | None:
    return blocks.at(name) or _real(survey, blocks, name)


def _real(survey: Survey, blocks: Blocks, name: str) -> Block | None:
    """A name may be left over from a disk that is gone."""
    return blocks.at(survey.host.resolve(name)) if survey.exists(name) else None
