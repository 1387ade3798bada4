"""What a program of this machine's kind asks of the C library that it is run with."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_VERSION_NEED = 0x6FFFFFFE  # SHT_GNU_verneed
_NEEDED, _DYNAMIC = 1, 6


@dataclass(frozen=True, slots=True)
class Section:
    kind: int
    offset: int
    size: int
    link: int
    count: int


def needed_versions(elf: bytes) -> set[str]:
    """Names as GLIBC_2.17, of all libraries that it is linked with."""
    sections = list(_sections(elf))
    found = set()
    for section in sections:
        if section.kind != _VERSION_NEED:
            continue
        names = sections[section.link].offset
        at = section.offset
        for _ in range(section.count):
            _, entries, _, first, following = struct.unpack_from("<HHIII", elf, at)
            entry = at + first
            for _ in range(entries):
                _, _, _, name, step = struct.unpack_from("<IHHII", elf, entry)
                found.add(_text(elf, names + name))
                entry += step
            at += following
    return found


def needed_libraries(elf: bytes) -> set[str]:
    sections = list(_sections(elf))
    found = set()
    for section in (s for s in sections if s.kind == _DYNAMIC):
        names = sections[section.link].offset
        for at in range(section.offset, section.offset + section.size, 16):
            tag, value = struct.unpack_from("<QQ", elf, at)
            if tag == _NEEDED:
                found.add(_text(elf, names + value))
    return found


def _sections(elf: bytes) -> Iterator[Section]:
    assert elf[:6] == b"\x7fELF\x02\x01", "no 64-bit little-endian ELF file"
    (offset,) = struct.unpack_from("<Q", elf, 40)
    size, count = struct.unpack_from("<HH", elf, 58)
    for at in range(offset, offset + size * count, size):
        _, kind, _, _, place, length, link, info = struct.unpack_from("<IIQQQQII", elf, at)
        yield Section(kind, place, length, link, info)


def _text(elf: bytes, at: int) -> str:
    return elf[at : elf.index(b"\0", at)].decode()
