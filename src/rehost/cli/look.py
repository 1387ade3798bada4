"""What pictures are drawn with: characters, and a colour for each kind of data."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Characters; frames are given as left, line, join, right."""

    used: str
    free: str
    unknown: str
    square: str
    side: str
    top: tuple[str, str, str, str]
    bottom: tuple[str, str, str, str]
    branch: str
    last: str
    dot: str
    arrow: str
    ok: str
    warn: str
    error: str
    on: str
    off: str

    @property
    def is_ascii(self) -> bool:
        return self.used.isascii()

    @property
    def overflow(self) -> Literal["crop", "ellipsis"]:
        """How to cut a line that is too long: rich's ellipsis is one character, not ASCII."""
        return "crop" if self.is_ascii else "ellipsis"

    def word(self, text: str) -> str:
        """`text` with only the characters that the terminal can show."""
        return text.encode("ascii", "replace").decode() if self.is_ascii else text


UNICODE = Look(
    used="█",
    free="░",
    unknown="▒",
    square="■",
    side="│",
    top=("┌", "─", "┬", "┐"),
    bottom=("└", "─", "┴", "┘"),
    branch="├─ ",
    last="└─ ",
    dot="·",
    arrow="→",
    ok="✔",
    warn="▲",
    error="✖",
    on="●",
    off="○",
)
ASCII = Look(
    used="#",
    free=".",
    unknown="?",
    square="*",
    side="|",
    top=("+", "-", "+", "+"),
    bottom=("+", "-", "+", "+"),
    branch="|- ",
    last="`- ",
    dot="-",
    arrow="->",
    ok="ok",
    warn="!",
    error="X",
    on="*",
    off="o",
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of contents: its name in the legend, and a colour that reads on dark and light."""

    name: str
    style: str


EXT = Kind("ext", "#4a8fd4")
XFS = Kind("xfs", "#c9982a")
BTRFS = Kind("btrfs", "#dd7a32")
FAT = Kind("fat", "#4cae6c")
NTFS = Kind("ntfs", "#26a5a5")
SWAP = Kind("swap", "#c0605c")
LVM = Kind("LVM", "#9277cc")
CRYPT = Kind("encrypted", "#b35f9f")
RAID = Kind("RAID", "#8a9a3c")
OTHER = Kind("other", "#8a8a8a")
EMPTY = Kind("unallocated", "bright_black")

KINDS = {
    "ext2": EXT,
    "ext3": EXT,
    "ext4": EXT,
    "xfs": XFS,
    "btrfs": BTRFS,
    "vfat": FAT,
    "fat": FAT,
    "fat16": FAT,
    "fat32": FAT,
    "exfat": FAT,
    "ntfs": NTFS,
    "swap": SWAP,
    "lvm2_member": LVM,
    "crypto_luks": CRYPT,
    "bitlocker": CRYPT,
    "linux_raid_member": RAID,
}


def kind_of(file_system: str) -> Kind:
    return KINDS.get(file_system.lower(), OTHER)


STATES = {
    "unavailable": "red",
    "error": "red",
    "clearfailed": "red",
    "premigfailed": "red",
    "waiting": "green",
    "finished": "bold green",
    "stopped": "yellow",
    "stopping": "yellow",
}


def state_style(state: str) -> str:
    return STATES.get(state, "cyan")
