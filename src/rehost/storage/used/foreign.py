"""Signatures of what is not looked into, and beneath which an older filesystem may still show."""

from rehost.storage.content import expect
from rehost.storage.used.volume import Volume

ZFS_MAGIC = 0x00BAB10C
ZFS_UBERBLOCKS = (128 << 10, 128 << 10)  # offset and size, in a label of 256 KiB
ZFS_LABEL = 256 << 10
SIGNATURES = (
    ("bcache", 4120, bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81")),
    ("bcachefs", 4120, bytes.fromhex("c68573f666ce90a9d96a60cf803df7ef")),
    ("VDO", 4096, b"dmvdo001"),
    ("BitLocker", 3, b"-FVE-FS-"),
    ("dm-integrity", 0, b"integrt\0"),
    ("dm-verity", 0, b"verity\0\0"),
    ("VMFS", 0x100000, bytes.fromhex("0dd001c0")),
)
AT_END = (
    ("Intel RAID", 1024, b"Intel Raid ISM Cfg Sig. "),
    ("DDF RAID", 512, bytes.fromhex("de11de11")),
    ("DDF RAID", 512 + 128 * 1024, bytes.fromhex("de11de11")),
)


def expect_none(volume: Volume) -> None:
    """Raises BadFormat where there is one."""
    places = [*SIGNATURES, *((name, volume.size - at, magic) for name, at, magic in AT_END)]
    for name, at, magic in places:
        if 0 <= at <= volume.size - len(magic):
            expect(volume.read(at, len(magic)) != magic, f"it has a signature of {name}")
    for start in (0, ZFS_LABEL):
        expect(not _has_uberblock(volume, start), "it has a signature of ZFS")


def _has_uberblock(volume: Volume, label: int) -> bool:
    offset, size = ZFS_UBERBLOCKS
    if volume.size < label + offset + size:
        return False
    raw = volume.read(label + offset, size)
    magics = {ZFS_MAGIC.to_bytes(8, "little"), ZFS_MAGIC.to_bytes(8, "big")}
    return any(raw[at : at + 8] in magics for at in range(0, size, 1024))
