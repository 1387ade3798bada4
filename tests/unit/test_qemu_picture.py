import struct
import zlib

import pytest

from rehost.errors import BadFormat
from rehost.providers.qemu.picture import png

RED, BLUE = b"\xff\0\0", b"\0\0\xff"


def chunks(data: bytes):
    data = data.removeprefix(b"\x89PNG\r\n\x1a\n")
    while data:
        (size,) = struct.unpack(">I", data[:4])
        kind, content, crc = data[4:8], data[8 : 8 + size], data[8 + size : 12 + size]
        assert struct.pack(">I", zlib.crc32(kind + content)) == crc
        yield kind, content
        data = data[12 + size :]


def test_pixels_stay_what_they_were():
    made = dict(chunks(png(b"P6\n2 3\n255\n" + (RED + BLUE) * 3)))
    assert list(made) == [b"IHDR", b"IDAT", b"IEND"]
    assert made[b"IHDR"] == struct.pack(">IIBBBBB", 2, 3, 8, 2, 0, 0, 0)
    assert zlib.decompress(made[b"IDAT"]) == (b"\0" + RED + BLUE) * 3


@pytest.mark.parametrize(
    "bad", [b"", b"P5\n1 1\n255\nx", b"P6\n2 2\n255\nabc", b"P6\n1 1\n65535\n"]
)
def test_what_is_no_picture_is_refused(bad):
    with pytest.raises(BadFormat):
        png(bad)
