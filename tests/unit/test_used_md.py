import struct

import pytest

from rehost.errors import BadFormat
from rehost.model.ranges import Range
from rehost.storage.md import MAGIC
from rehost.storage.used import md

MIB = 1 << 20
SIZE = 64 * MIB
IN_SYNC = (1 << 64) - 1


class Member:
    """A device with a superblock of version 1, as struct mdp_superblock_1 has it."""

    def __init__(self, **changes: int) -> None:
        field = {
            "at": 4096, "features": 1, "level": 1, "size": 50 * MIB, "members": 2,
            "data_offset": 2 * MIB, "data_size": 60 * MIB, "me": 1, "resync": IN_SYNC, "role": 1,
        }  # fmt: skip
        field |= changes
        raw = bytearray(1024)
        struct.pack_into("<3I", raw, 0, MAGIC, 1, field["features"])
        struct.pack_into("<I", raw, 72, field["level"])
        struct.pack_into("<QII", raw, 80, field["size"] // 512, 0, field["members"])
        struct.pack_into(
            "<QQQ", raw, 128, *(field[n] // 512 for n in ("data_offset", "data_size", "at"))
        )
        struct.pack_into("<I", raw, 160, field["me"])
        struct.pack_into("<QII", raw, 208, field["resync"], 0, 4)
        struct.pack_into("<4H", raw, 256, 0, field["role"], 0xFFFF, 0xFFFF)
        self.bytes = bytearray(SIZE)
        self.bytes[field["at"] : field["at"] + 1024] = raw

    def data(self, *, is_running: bool = False) -> Range:
        def read(offset: int, size: int) -> bytes:
            return bytes(self.bytes[offset : offset + size])

        return md.data(read, size=SIZE, is_running=is_running)


@pytest.mark.parametrize("at", [0, 4096, (SIZE - 8192) & ~4095])
def test_content_of_each_minor_version(at):
    assert Member(at=at).data() == Range(2 * MIB, 50 * MIB)


def test_running_raid_need_not_be_clean():
    assert Member(resync=0).data(is_running=True) == Range(2 * MIB, 50 * MIB)


@pytest.mark.parametrize(
    "change",
    [
        {"level": 5},
        {"level": 10},
        {"features": 1 | 4},
        {"features": 8},
        {"role": 0xFFFF},
        {"role": 0xFFFE},
        {"me": 9},
        {"resync": 0},
        {"size": 70 * MIB},
        {"data_offset": 20 * MIB},
        {"data_offset": 0},
    ],
)
def test_doubt(change):
    with pytest.raises(BadFormat):
        Member(**change).data()


def old(*, level: int = 1, state: int = 1, mine: int = 6, size: int = 60 * MIB) -> Member:
    """A superblock of version 0.90, at the end of the device."""
    member = Member()
    at = SIZE - (64 << 10)
    member.bytes[4096:5120] = bytes(1024)
    struct.pack_into("<3I", member.bytes, at, MAGIC, 0, 90)
    struct.pack_into("<2I", member.bytes, at + 28, level, size // 1024)
    struct.pack_into("<I", member.bytes, at + 132, state)
    struct.pack_into("<I", member.bytes, at + 3984, mine)
    return member


def test_content_of_version_0():
    member = old()
    assert member.data() == Range(0, 60 * MIB)
    assert md.is_old(lambda offset, size: bytes(member.bytes[offset : offset + size]), size=SIZE)


@pytest.mark.parametrize("change", [{"level": 0}, {"state": 0}, {"mine": 2}, {"size": SIZE}])
def test_doubt_of_version_0(change):
    with pytest.raises(BadFormat):
        old(**change).data()
