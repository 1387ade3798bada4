"""Where the fields of the kernel's structures are. Format: Documentation/bpf/btf.rst.

The running kernel describes itself in /sys/kernel/btf/vmlinux, without headers or debug packages.
"""

import struct
from array import array
from pathlib import Path

from rehost.errors import BadFormat

VMLINUX = Path("/sys/kernel/btf/vmlinux")
MAGIC = 0xEB9F
INT, POINTER, ARRAY, STRUCT, UNION, ENUM, TYPEDEF = 1, 2, 3, 4, 5, 6, 8
FUNC_PROTO, VAR, DATASEC, DECL_TAG, ENUM64 = 13, 14, 15, 17, 19
NAMELESS = (TYPEDEF, 9, 10, 11, 18)  # typedef, volatile, const, restrict, type tag
# What follows a type's 12 bytes: so many bytes, and so many for each of its members.
FIXED = {INT: 4, ARRAY: 12, VAR: 4, DECL_TAG: 4}
PER_MEMBER = {STRUCT: 12, UNION: 12, ENUM: 8, FUNC_PROTO: 8, DATASEC: 12, ENUM64: 12}


class Btf:
    """The types of a kernel. Raises BadFormat."""

    def __init__(self, data: bytes) -> None:
        try:
            magic, _, _, header, types, length, strings, _ = struct.unpack_from("<HBBIIIII", data)
            if magic != MAGIC:
                raise BadFormat("no BTF")
            self._data = data
            self._strings = header + strings
            self._at = _positions(data, header + types, header + types + length)
        except struct.error as e:
            raise BadFormat("BTF ends too soon") from e

    def typedef(self, name: str) -> int:
        """The id of a typedef. Raises BadFormat if there is none."""
        found = self._data.find(b"\0" + name.encode() + b"\0", self._strings)
        wanted = struct.pack("<I", found + 1 - self._strings) if found >= 0 else b""
        for number in range(1, len(self._at)):
            at = self._at[number]
            if self._data[at : at + 4] == wanted and self._kind(number) == TYPEDEF:
                return number
        raise BadFormat(f"this kernel has no type {name}")

    def parameters(self, function: int) -> list[int]:
        """The types of the parameters of what a typedef of a pointer to a function stands for."""
        prototype = self._plain(self._target(self._plain(function)))
        if self._kind(prototype) != FUNC_PROTO:
            raise BadFormat("not a function")
        at = self._at[prototype] + 12
        return [self._number(at + 8 * i + 4) for i in range(self._count(prototype))]

    def pointed(self, number: int) -> int:
        """What a pointer points to. Raises BadFormat if it is none."""
        pointer = self._plain(number)
        if self._kind(pointer) != POINTER:
            raise BadFormat("not a pointer")
        return self._plain(self._target(pointer))

    def is_pointer_to(self, number: int, name: str) -> bool:
        plain = self._plain(number)
        return self._kind(plain) == POINTER and self._name(self._plain(self._target(plain))) == name

    def field(self, structure: int, name: str) -> tuple[int, int] | None:
        """The offset in bytes and the type of a member, also of one in a nameless part."""
        at = self._at[structure] + 12
        bit_fields = self._number(self._at[structure] + 4) >> 31
        for i in range(self._count(structure)):
            _, kind, bits = struct.unpack_from("<III", self._data, at + 12 * i)
            offset = (bits & 0xFFFFFF if bit_fields else bits) // 8
            called = self._text(self._number(at + 12 * i))
            if called == name:
                return offset, kind
            inner = self._plain(kind)
            if not called and self._kind(inner) in (STRUCT, UNION):
                found = self.field(inner, name)
                if found:
                    return offset + found[0], found[1]
        return None

    def plain(self, number: int) -> int:
        """The type without typedefs and qualifiers."""
        return self._plain(number)

    def _plain(self, number: int) -> int:
        while number and self._kind(number) in NAMELESS:
            number = self._target(number)
        return number

    def _kind(self, number: int) -> int:
        return self._number(self._at[number] + 4) >> 24 & 0x1F if number else 0

    def _count(self, number: int) -> int:
        return self._number(self._at[number] + 4) & 0xFFFF

    def _target(self, number: int) -> int:
        return self._number(self._at[number] + 8)

    def _name(self, number: int) -> str:
        return self._text(self._number(self._at[number])) if number else ""

    def _number(self, at: int) -> int:
        return int(struct.unpack_from("<I", self._data, at)[0])

    def _text(self, offset: int) -> str:
        start = self._strings + offset
        return self._data[start : self._data.index(b"\0", start)].decode(errors="replace")


def _positions(data: bytes, start: int, end: int) -> "array[int]":
    """Where each type begins; number 0 is void."""
    found = array("I", [0])
    unpack = struct.Struct("<I").unpack_from
    at = start
    while at < end:
        found.append(at)
        info = unpack(data, at + 4)[0]
        kind, count = info >> 24 & 0x1F, info & 0xFFFF
        at += 12 + FIXED.get(kind, 0) + count * PER_MEMBER.get(kind, 0)
    return found
