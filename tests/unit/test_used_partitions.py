import subprocess

import pytest

from rehost.errors import BadFormat
from rehost.storage.used.partitions import has_table, partitions

pytestmark = pytest.mark.needs("sfdisk")
MIB = 1 << 20
SIZE = 64 * MIB
LOGICAL = """label: dos
p1: start=1MiB, size=8MiB, type=83
p2: start=10MiB, size=50MiB, type=5
p5: size=5MiB, type=83
p6: size=5MiB, type=83
p7: size=5MiB, type=82
"""
GPT = "label: gpt\n1MiB,8MiB,L\n20MiB,10MiB,S\n12MiB,3MiB,U\n"


@pytest.fixture
def disk(tmp_path):
    def make(script: str) -> bytearray:
        path = tmp_path / "disk"
        path.write_bytes(bytes(SIZE))
        subprocess.run(["sfdisk", "-q", path], input=script, text=True, check=True)
        return bytearray(path.read_bytes())

    return make


def found(disk: bytearray, sector: int | None = None) -> list[tuple[float, float]]:
    def read(offset: int, size: int) -> bytes:
        return bytes(disk[offset : offset + size])

    there = partitions(read, size=len(disk), sector=sector)
    return [(r.offset / MIB, r.length / MIB) for r in there]


def test_logical_partitions_are_found(disk):
    assert found(disk(LOGICAL)) == [(1, 8), (11, 5), (17, 5), (23, 5)]


def test_gpt_is_found_in_order_of_place(disk):
    assert found(disk(GPT)) == [(1, 8), (12, 3), (20, 10)]
    assert found(disk(GPT), 512) == [(1, 8), (12, 3), (20, 10)]


@pytest.mark.parametrize("at", [0x1FE, 512 + 40, 1024 + 32, SIZE - 512 + 40, SIZE - 1024])
def test_any_damage_to_a_gpt_is_a_doubt(disk, at):
    raw = disk(GPT)
    raw[at] ^= 0x08
    with pytest.raises(BadFormat):
        found(raw)
    assert has_table(lambda offset, size: bytes(raw[offset : offset + size]))


def test_gpt_of_other_sectors_is_a_doubt(disk):
    with pytest.raises(BadFormat):
        found(disk(GPT), 4096)


@pytest.mark.parametrize("damage", ["loop", "outside", "signature"])
def test_broken_chain_of_logical_partitions_is_a_doubt(disk, damage):
    raw = disk(LOGICAL)
    second = 16 * MIB
    assert raw[second + 510] == 0x55
    if damage == "loop":  # the third record is the second one
        raw[second + 446 + 16 + 8 : second + 446 + 16 + 12] = (6 * 2048).to_bytes(4, "little")
    elif damage == "outside":
        raw[second + 446 + 12 : second + 446 + 16] = (90 * 2048).to_bytes(4, "little")
    else:
        raw[second + 510] = 0
    with pytest.raises(BadFormat):
        found(raw)


def test_overlap_is_a_doubt(disk):
    raw = disk("label: dos\n1MiB,8MiB,83\n10MiB,8MiB,83\n")
    raw[446 + 12 : 446 + 16] = (20 * 2048).to_bytes(4, "little")
    with pytest.raises(BadFormat):
        found(raw)


def test_dynamic_disk_is_a_doubt(disk):
    with pytest.raises(BadFormat):
        found(disk("label: dos\n1MiB,8MiB,42\n"))


def test_boot_sector_of_a_filesystem_is_no_table(disk):
    raw = disk("label: dos\n1MiB,8MiB,83\n")
    raw[3:11] = b"NTFS    "
    assert not has_table(lambda offset, size: bytes(raw[offset : offset + size]))
