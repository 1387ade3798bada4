import struct

import pytest

from rehost.errors import BadFormat
from rehost.providers.qemu import variables
from rehost.providers.qemu.variables import GLOBAL, NV_DATA, with_boot_entry
from rehost.stages.discover import boot_entry

FILE = r"\EFI\debian\shimx64.efi"
SPACE = 4096


def store(content: bytes = b"", *, space: int = SPACE, state: int = variables.HEALTHY) -> bytes:
    volume = variables.VOLUME.pack(NV_DATA, 0, b"_FVH", 0, 72)
    volume += bytes(72 - len(volume))
    size = variables.STORE.size + space
    head = variables.STORE.pack(variables.AUTHENTICATED, size, variables.FORMATTED, state)
    return volume + head + content.ljust(space, b"\xff") + b"what else the flash holds"


def variable(name: str, data: bytes) -> bytes:
    text = f"{name}\0".encode("utf-16-le")
    head = variables.VARIABLE.pack(0x55AA, 0x3F, 7, 0, 0, len(text), len(data), GLOBAL)
    whole = head + text + data
    return whole + b"\xff" * (-len(whole) % 4)


def test_entry_is_what_an_agent_reads_of_one():
    made = with_boot_entry(store(), FILE)
    assert len(made) == len(store())
    begin = made.index("Boot0000\0".encode("utf-16-le")) + 18
    size = struct.unpack_from("<L", made, begin - 18 - 20)[0]
    assert boot_entry.loader(made[begin : begin + size]) == FILE
    assert made.endswith(store()[-300:])


def test_what_is_in_the_store_stays_before_it():
    known = variable("PK", b"a key") + variable("db", b"keys" * 10)
    made = with_boot_entry(store(known), FILE)
    at = made.index(known)
    assert made[at + len(known) :].startswith(struct.pack("<HB", 0x55AA, 0x3F))


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        store()[:90],
        store(state=0),
        bytes(len(store())),
        store(space=100),
        store(variable("Boot0000", b"")),
        store(variable("BootOrder", b"\0\0")),
        store(b"\x12" * SPACE),
        store(variable("PK", bytes(SPACE))),
    ],
)
def test_no_entry_where_there_is_no_place_for_one(bad):
    with pytest.raises(BadFormat):
        with_boot_entry(bad, FILE)
