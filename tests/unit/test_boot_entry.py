import struct

import pytest

from rehost.errors import BadFormat
from rehost.stages.discover.boot_entry import LONGEST, loader

END = b"\x7f\xff\x04\x00"
HARD_DRIVE = b"\x04\x01\x2a\x00" + bytes(38)
# Of a Debian 12, as its installer had efibootmgr write it.
DEBIAN = bytes.fromhex(
    "010000006200640065006200690061006e00000004012a0001000000000800000000000000000800"
    "000000000200000a0000004080000000000000010202040434005c004500460049005c0064006500"
    "6200690061006e005c0067007200750062007800360034002e0065006600690000007fff0400"
)


def file(path: str) -> bytes:
    text = f"{path}\0".encode("utf-16-le")
    return struct.pack("<BBH", 4, 4, 4 + len(text)) + text


def option(
    *nodes: bytes, title: str = "debian", size: int | None = None, more: bytes = b""
) -> bytes:
    path = b"".join(nodes)
    length = len(path) if size is None else size
    return struct.pack("<LH", 1, length) + f"{title}\0".encode("utf-16-le") + path + more


def test_entry_of_debian():
    assert loader(DEBIAN) == r"\EFI\debian\grubx64.efi"


@pytest.mark.parametrize(
    ("nodes", "found"),
    [
        ((file(r"\EFI\a.efi"), END), r"\EFI\a.efi"),
        ((HARD_DRIVE, file("EFI"), file(r"\b.efi"), END), r"\EFI\b.efi"),
        ((file("/EFI/c.efi"), END), r"\EFI\c.efi"),
        ((HARD_DRIVE, END), None),
        ((END,), None),
        ((file(""), END), None),
        ((file(r"\first.efi"), END, file(r"\second.efi"), END), r"\first.efi"),
    ],
)
def test_file_of_an_entry(nodes, found):
    assert loader(option(*nodes)) == found
    assert loader(option(*nodes, more=b"arguments")) == found


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\1\0\0\0\0",
        option(END)[:8],
        option(file("x"), END, size=500),
        option(file("x")),
        option(b"\4\4\3\0", END),
        option(b"\4\4\xff\0", END),
        option(*[HARD_DRIVE] * 100, END),
        option(file("x" * LONGEST), END),
        option(file("a\nb"), END),
    ],
)
def test_what_is_no_entry(bad):
    with pytest.raises(BadFormat):
        loader(bad)
