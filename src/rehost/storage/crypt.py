"""LUKS. Format: the LUKS1 and LUKS2 on-disk specifications; both begin alike."""

from rehost.storage.content import Content, expect, text

OFFSET, SIZE = 0, 512


def parse(head: bytes) -> Content:
    """Raises BadFormat unless this is a LUKS header."""
    expect(len(head) >= SIZE and head.startswith(b"LUKS\xba\xbe"), "no LUKS header")
    return Content(file_system="crypto_LUKS", uuid=text(head[168:208]))
