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
# A file, the lines of it that matter, and the device in such a line.
PLACES = (
    ("/etc/fstab", r"^\s*/dev/", re.compile(r"^\s*(\S+)")),
    ("/etc/crypttab", r"^\s*[^#\s]+\s+/dev/", re.compile(r"^\s*\S+\s+(\S+)")),
    ("/proc/cmdline", r"(root|resume)=/dev/", re.compile(r"\b(?:root|resume)=(\S+)")),
)
BTRFS = "btrfs"  # has the same UUID on each of its devices


def find_device_names(
    survey: Survey, layout: Layout, fillings: Mapping[str, Filling]
) -> tuple[DeviceName, ...]:
    """Raises HostError."""
    return tuple(
        DeviceName(file=file, name=name, lasting=_lasting(survey, layout.blocks, fillings, name))
        for file, name in dict.fromkeys(_named(survey))
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
            yield from ((file, name) for name in device.findall(line) if PASSING.fullmatch(name))


def _lasting(survey: Survey, blocks: Blocks, fillings: Mapping[str, Filling], name: str) -> str:
    block = blocks.at(name) or _real(survey, blocks, name)
    filling = fillings.get(block.name) if block else None
    if not filling or not filling.uuid:
        return ""
    same = [f for f in fillings.values() if f.uuid == filling.uuid]
    return f"UUID={filling.uuid}" if len(same) == 1 or filling.file_system == BTRFS else ""


def _real(survey: Survey, blocks: Blocks, name: str) -> Block | None:
    """A name may be left over from a disk that is gone."""
    return blocks.at(survey.host.resolve(name)) if survey.exists(name) else None
