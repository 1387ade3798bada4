"""An assembler for eBPF, as far as Rehost's programs need it. Format: RFC 9669, little endian."""

import struct
from dataclasses import dataclass

# Sizes of loads and stores
BYTE, HALF, WORD, DOUBLE = 0x10, 0x08, 0x00, 0x18
# 64-bit arithmetic
ADD, SUB, AND, LEFT, RIGHT, MOVE = 0x00, 0x10, 0x50, 0x60, 0x70, 0xB0
# Conditions of jumps, unsigned
ALWAYS, EQUAL, GREATER, GREATER_EQUAL, NOT_EQUAL = 0x00, 0x10, 0x20, 0x30, 0x50
FRAME = 10  # the register that points behind the stack
_IMMEDIATE, _REGISTER = 0x00, 0x08
_LOAD, _STORE_IMMEDIATE, _STORE, _JUMP, _ALU64 = 0x61, 0x62, 0x63, 0x05, 0x07
_ATOMIC_ADD = 0xC3  # of a word; 4.18 knows it as XADD
_LOAD_MAP, _IS_MAP = 0x18, 1
_CALL, _EXIT = 0x85, 0x95


@dataclass(slots=True)
class _Instruction:
    code: int
    dst: int = 0
    src: int = 0
    offset: int = 0
    value: int = 0
    target: str = ""


class Code:
    """A program under construction. Registers are numbers; labels are names, defined once."""

    def __init__(self) -> None:
        self._instructions: list[_Instruction] = []
        self._labels: dict[str, int] = {}

    def load(self, size: int, dst: int, src: int, offset: int) -> None:
        """dst = *(src + offset)"""
        self._add(_LOAD | size, dst, src, offset)

    def store(self, size: int, dst: int, offset: int, src: int) -> None:
        """*(dst + offset) = src"""
        self._add(_STORE | size, dst, src, offset)

    def store_value(self, size: int, dst: int, offset: int, value: int) -> None:
        self._add(_STORE_IMMEDIATE | size, dst, 0, offset, value)

    def add_atomically(self, dst: int, offset: int, src: int) -> None:
        """*(dst + offset) += src, 64 bits, whatever interrupts it"""
        self._add(_ATOMIC_ADD | DOUBLE, dst, src, offset)

    def compute(self, operation: int, dst: int, value: int) -> None:
        self._add(_ALU64 | _IMMEDIATE | operation, dst, 0, 0, value)

    def compute_from(self, operation: int, dst: int, src: int) -> None:
        self._add(_ALU64 | _REGISTER | operation, dst, src)

    def jump(self, condition: int, dst: int, value: int, target: str) -> None:
        self._add(_JUMP | _IMMEDIATE | condition, dst, 0, 0, value, target)

    def jump_from(self, condition: int, dst: int, src: int, target: str) -> None:
        self._add(_JUMP | _REGISTER | condition, dst, src, target=target)

    def goto(self, target: str) -> None:
        self._add(_JUMP, target=target)

    def map(self, dst: int, fd: int) -> None:
        """dst = the map; two instructions long"""
        self._add(_LOAD_MAP, dst, _IS_MAP, 0, fd)
        self._add(0)

    def call(self, function: int) -> None:
        self._add(_CALL, value=function)

    def exit(self) -> None:
        self._add(_EXIT)

    def label(self, name: str) -> None:
        if name in self._labels:
            raise ValueError(f"label {name} is there twice")
        self._labels[name] = len(self._instructions)

    def assemble(self) -> bytes:
        """Raises KeyError for a jump to nowhere."""
        return b"".join(self._packed(at, it) for at, it in enumerate(self._instructions))

    def _packed(self, at: int, it: _Instruction) -> bytes:
        offset = self._labels[it.target] - at - 1 if it.target else it.offset
        return struct.pack("<BBhi", it.code, it.src << 4 | it.dst, offset, it.value)

    def _add(
        self,
        code: int,
        dst: int = 0,
        src: int = 0,
        offset: int = 0,
        value: int = 0,
        target: str = "",
    ) -> None:
        self._instructions.append(_Instruction(code, dst, src, offset, value, target))
