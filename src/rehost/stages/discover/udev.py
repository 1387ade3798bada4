"""What udev found out about block devices. It needs no root, and reads no disk.

Format: src/libsystemd/sd-device of systemd, unchanged since CentOS 7: lines `E:KEY=value` for
properties and `S:path` for links under /dev. A machine without udev has no such files.
"""

from dataclasses import dataclass

from rehost.stages.discover.blocks import Block
from rehost.stages.discover.survey import Survey

PROPERTIES = "FS_TYPE|FS_UUID|PART_TABLE_TYPE|PART_ENTRY_TYPE|SERIAL|SERIAL_SHORT|WWN"
WANTED = rf"^(E:ID_({PROPERTIES})=|S:disk/by-id/)"
# Numbers, and names that tell what is on a disk instead of which disk it is.
LESS = ("wwn-", "nvme-eui", "nvme-uuid", "lvm-", "md-", "dm-")
BY_ID = "disk/by-id/"


@dataclass(frozen=True, slots=True)
class Record:
    """`properties` are udev's, without their prefix ID_."""

    properties: dict[str, str]
    links: tuple[str, ...]

    def get(self, name: str) -> str:
        return self.properties.get(name, "")

    @property
    def stable_name(self) -> str:
        """The link under /dev/disk/by-id that says most to a human; "" if there is none."""
        return min(self.links, key=lambda link: (link.startswith(LESS), link), default="")


def read_record(survey: Survey, block: Block) -> Record | None:
    """None if udev does not know the device. Raises HostError."""
    lines = survey.grep(f"/run/udev/data/b{block.number}", WANTED)
    return parse(lines) if lines else None


def parse(lines: tuple[str, ...]) -> Record:
    pairs = (line.removeprefix("E:ID_").partition("=") for line in lines if line.startswith("E:"))
    links = (line.removeprefix("S:" + BY_ID) for line in lines if line.startswith("S:" + BY_ID))
    return Record({key: value for key, _, value in pairs}, tuple(sorted(links)))
