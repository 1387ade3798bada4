"""FAT12, FAT16 and FAT32. Format: the BIOS parameter block in Microsoft's fatgen103."""

from rehost.storage.content import Content, expect, number

OFFSET, SIZE = 0, 512


def parse(boot_sector: bytes) -> Content:
    """Raises BadFormat unless this is the boot sector of a FAT filesystem."""
    expect(len(boot_sector) >= SIZE and boot_sector[510:512] == b"\x55\xaa", "no boot sector")
    is_fat32 = boot_sector[82:87] == b"FAT32"
    expect(is_fat32 or boot_sector[54:57] == b"FAT", "no FAT filesystem")
    volume = number(boot_sector, 67 if is_fat32 else 39, 4)
    cluster = number(boot_sector, 11, 2) * boot_sector[13]
    expect(cluster > 0, "a FAT filesystem has clusters")
    sectors = number(boot_sector, 19, 2) or number(boot_sector, 32, 4)
    return Content(
        file_system="vfat",
        uuid=f"{volume >> 16:04X}-{volume & 0xFFFF:04X}",
        block_size=cluster,
        blocks=sectors // boot_sector[13],
    )
