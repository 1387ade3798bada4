"""NTFS. Format: struct NTFS_BOOT_SECTOR in the kernel's fs/ntfs3/ntfs.h."""

from rehost.storage.content import Content, expect, number

OFFSET, SIZE = 0, 512


def parse(boot_sector: bytes) -> Content:
    """Raises BadFormat unless this is the boot sector of an NTFS filesystem."""
    expect(len(boot_sector) >= SIZE and boot_sector[3:11] == b"NTFS    ", "no NTFS boot sector")
    per_cluster = boot_sector[13]
    # Above 0x80 it is a negative power of two: clusters of more than 64 KiB.
    if per_cluster > 0x80:
        per_cluster = 1 << (256 - per_cluster) % 32
    expect(per_cluster > 0, "an NTFS filesystem has clusters")
    return Content(
        file_system="ntfs",
        uuid=f"{number(boot_sector, 72, 8):016X}",
        block_size=number(boot_sector, 11, 2) * per_cluster,
        blocks=number(boot_sector, 40, 8) // per_cluster,
    )
