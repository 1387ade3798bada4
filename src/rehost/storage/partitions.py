"""Partition tables. Formats: the PC's master boot record; UEFI specification, chapter 5 (GPT)."""

from dataclasses import dataclass
from uuid import UUID

from rehost.storage.content import expect, number

SIZE = 6 * 4096  # holds a GPT of 128 entries, also with sectors of 4 KiB
ESP = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
BIOS_BOOT = "21686148-6449-6e6f-744e-656564454649"
PREP = "9e1a2d38-c612-4316-aa26-8b49521e5a8b"
BOOT_TYPES = {ESP, BIOS_BOOT, PREP, "0xef", "0x41"}
EXTENDED = {"0x5", "0xf", "0x85"}
PROTECTIVE = 0xEE


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """`style` is the API's word; `types` are by partition number, written as udev does.

    Logical partitions of an MBR are not among them: they are described elsewhere on the disk.
    """

    style: str
    types: dict[int, str]
    boot_code: bytes


def parse(head: bytes) -> Table:
    """The table in the first SIZE bytes of a disk. Raises BadFormat if there is none."""
    expect(len(head) >= 1024 and head[510:512] == b"\x55\xaa", "no partition table")
    expect(not is_filesystem(head), "the boot sector of a filesystem")
    mbr = [head[446 + 16 * i : 462 + 16 * i] for i in range(4)]
    # A boot sector of a FAT or NTFS filesystem has text where a table has these flags.
    expect(all(entry[0] in (0, 0x80) for entry in mbr), "a boot sector without a table")
    types = {n: entry[4] for n, entry in enumerate(mbr, 1) if entry[4]}
    if PROTECTIVE in types.values():
        return Table(style="GPT", types=_gpt_types(head), boot_code=head[:440])
    return Table(style="MBR", types={n: hex(t) for n, t in types.items()}, boot_code=head[:440])


def is_filesystem(head: bytes) -> bool:
    """A boot sector of FAT or NTFS, which has code where a disk has its partition table."""
    return b"FAT" in (head[54:57], head[82:85]) or head[3:11] == b"NTFS    "


def has_grub(boot_code: bytes) -> bool:
    """GRUB's boot sector, of both generations, holds its name for error messages."""
    return b"GRUB" in boot_code


def _gpt_types(head: bytes) -> dict[int, str]:
    sector = next((s for s in (512, 4096) if head[s : s + 8] == b"EFI PART"), 0)
    expect(sector > 0, "a protective MBR without a GPT")
    header = head[sector : sector + 92]
    start = number(header, 72, 8) * sector
    count, size = min(number(header, 80, 4), 128), number(header, 84, 4)
    expect(size >= 128, "GPT entries are too short")
    entries = ((n, head[start + n * size : start + n * size + 16]) for n in range(count))
    return {n + 1: str(UUID(bytes_le=e)) for n, e in entries if len(e) == 16 and any(e)}
