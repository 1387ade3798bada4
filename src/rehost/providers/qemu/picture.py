"""QEMU's own picture format as PNG: older versions of QEMU write no other."""

import re
import struct
import zlib

from rehost.errors import BadFormat

HEADER = re.compile(rb"P6\s+(\d+)\s+(\d+)\s+255\s")


def png(ppm: bytes) -> bytes:
    """Raises BadFormat."""
    if not (head := HEADER.match(ppm)):
        raise BadFormat("the screenshot is not a binary PPM of 8 bits a colour")
    width, height = int(head[1]), int(head[2])
    pixels, row = ppm[head.end() :], 3 * width
    if len(pixels) != row * height:
        raise BadFormat(f"a screenshot of {width} × {height} has {len(pixels)} bytes of pixels")
    lines = b"".join(b"\0" + pixels[i * row : (i + 1) * row] for i in range(height))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
            _chunk(b"IDAT", zlib.compress(lines)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
