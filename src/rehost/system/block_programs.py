"""The eBPF programs that mark what is written, and how they are attached to block requests.

Two doors to the same events. *Typed* programs read the kernel's own structures, whose layout it
describes in BTF (most kernels from 5.5 on). *Recorded* ones read the record that a tracepoint makes
for perf (4.18). The second door has a weakness: the kernel runs only one such program, of whomever,
at a time on each CPU, and skips the rest. So events are also counted by a program that is never
skipped, and `Attached.lost` is the difference. Typed programs are skipped inside themselves only,
which the kernel counts.
"""

import os
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from rehost.errors import BadFormat
from rehost.system import bpf, tracefs
from rehost.system.bpf_code import (
    ADD,
    AND,
    BYTE,
    DOUBLE,
    EQUAL,
    FRAME,
    GREATER,
    GREATER_EQUAL,
    LEFT,
    MOVE,
    NOT_EQUAL,
    RIGHT,
    SUB,
    WORD,
    Code,
)
from rehost.system.btf import VMLINUX, Btf
from rehost.system.marks import ENTRY, LEVEL_BITS, LEVELS, SECTOR_BITS, Marks

T = TypeVar("T")

SPAN = 34  # marks one run can set: 2 MiB of 64 KiB blocks, wherever they begin
KEY = -4  # on the stack: the key of the next look-up
READ, DISCARD, SECURE_ERASE = 0, 3, 5  # REQ_OP_*; those that write are odd
OPERATION = 0xFF


class On(StrEnum):
    """Events of a block device."""

    ISSUE = "block_rq_issue"
    COMPLETE = "block_rq_complete"
    # A request that was merged from discards of several places tells the first place only.
    DISCARD = "block_bio_queue"


# The kernel lets a program read its structures only if that is offered under the GPL as well.
TYPED_LICENCE = "Dual MIT/GPL"
WRITES = (On.ISSUE, On.COMPLETE, On.DISCARD)
COUNTED = (On.ISSUE, On.COMPLETE)


@dataclass(frozen=True, slots=True)
class Bounds:
    """A number that is counted while it changes is not below the one, nor above the other."""

    low: int = 0
    high: int = 0


@dataclass(frozen=True, slots=True)
class Lost:
    """Events that no program has seen, and a constant."""

    issued: Bounds = Bounds()
    completed: Bounds = Bounds()


class Attached:
    """Programs that run at events, until this is closed."""

    def __init__(self) -> None:
        self._fds: list[int] = []
        self._count: Callable[[], Lost] = Lost

    def keep(self, fd: int) -> int:
        self._fds.append(fd)
        return fd

    def count_with(self, count: Callable[[], Lost]) -> None:
        self._count = count

    def lost(self) -> Lost:
        return self._count()

    def close(self) -> None:
        while self._fds:
            os.close(self._fds.pop())


class Door(Protocol):
    """One of the two ways to the events."""

    def attach(self, marks: Marks, events: Sequence[On], *, reads: bool = False) -> Attached:
        """From now on, what is written (or, for a test, read) is marked.

        Raises OSError or BadFormat.
        """


class Typed:
    def __init__(self) -> None:
        """Raises OSError or BadFormat where the kernel does not describe its structures."""
        self._types = Btf(VMLINUX.read_bytes())

    def attach(self, marks: Marks, events: Sequence[On], *, reads: bool = False) -> Attached:
        with _all_or_nothing() as attached:
            devices = attached.keep(_devices(marks))
            programs: dict[On, int] = {}
            for event in events:
                identity, prologue = _typed(self._types, event, reads=reads)
                program = attached.keep(_load_typed(_program(prologue, marks, devices), identity))
                programs[event] = program
                attached.keep(bpf.open_raw_tracepoint(program))
            attached.count_with(lambda: Lost(*(_missed(programs.get(e)) for e in COUNTED)))
            return attached


class Recorded:
    def attach(self, marks: Marks, events: Sequence[On], *, reads: bool = False) -> Attached:
        found = tracefs.block_events(*events)
        with _all_or_nothing() as attached:
            devices = attached.keep(_devices(marks))
            counts = attached.keep(
                bpf.create_map(bpf.MAP_TYPE_PERCPU_ARRAY, key_size=4, value_size=32, entries=1)
            )
            # Before the programs: then an event that is just being handled looks lost, not extra.
            counters = [attached.keep(_attach_counter(attached, counts, e)) for e in COUNTED]
            for event, where in zip(events, found, strict=True):
                prologue = _recorded(event, where.offsets, counts, reads=reads)
                code = _program(prologue, marks, devices)
                program = attached.keep(bpf.load(bpf.TRACEPOINT, code))
                attached.keep(bpf.attach_to_event(where.id, program))
            attached.count_with(lambda: _count(counts, counters))
            return attached


@contextmanager
def _all_or_nothing() -> Iterator[Attached]:
    attached = Attached()
    try:
        yield attached
    except BaseException:
        attached.close()
        raise


def _devices(marks: Marks) -> int:
    """A map from device numbers to areas."""
    areas = marks.layout.areas
    entries = [(n, a) for a in areas for n in (a.device.number, *a.device.partitions)]
    size = len(areas[0].packed())
    fd = bpf.create_map(bpf.MAP_TYPE_HASH, key_size=4, value_size=size, entries=len(entries))
    for number, area in entries:
        bpf.update(fd, struct.pack("<I", number), area.packed())
    return fd


def _program(prologue: Callable[[Code], None], marks: Marks, devices: int) -> bytes:
    """`prologue` leaves the first sector in r6, the count in r7, the device number at KEY."""
    code = Code()
    prologue(code)
    _find_area(code, devices)
    if len(marks.maps) > 1:
        _find_half(code, marks.maps[1])
    _choose_level(code, marks.layout.shift)
    code.label("mark")
    if len(marks.maps) > 1:
        code.compute_from(ADD, 6, 9)
        code.compute_from(ADD, 7, 9)
    for _ in range(SPAN):
        _mark(code, marks.maps[0])
    code.label("end")
    code.compute(MOVE, 0, 0)
    code.exit()
    return code.assemble()


def _find_area(code: Code, devices: int) -> None:
    """r8 = the disk's area, r7 = the last sector."""
    _look_up(code, devices)
    code.compute_from(MOVE, 8, 0)
    code.compute_from(ADD, 7, 6)
    code.compute(SUB, 7, 1)


def _find_half(code: Code, chosen: int) -> None:
    """r9 = where the half in use begins."""
    code.store_value(WORD, FRAME, KEY, 0)
    _look_up(code, chosen)
    code.load(WORD, 9, 0, 0)


def _choose_level(code: Code, shift: int) -> None:
    """r6, r7 = the first and the last mark, on the first level where a run can set them all."""
    code.load(DOUBLE, 2, 8, 0)
    code.jump_from(GREATER_EQUAL, 7, 2, "outside")
    code.jump_from(GREATER, 6, 7, "outside")
    for level in range(LEVELS):
        code.label(f"level {level}")
        code.compute_from(MOVE, 1, 6)
        code.compute_from(MOVE, 2, 7)
        for register in (1, 2):
            code.compute(RIGHT, register, shift - SECTOR_BITS + LEVEL_BITS * level)
        code.compute_from(MOVE, 3, 2)
        code.compute_from(SUB, 3, 1)
        higher = f"level {level + 1}" if level + 1 < LEVELS else "outside"
        code.jump(GREATER, 3, SPAN - 1, higher)
        code.load(WORD, 4, 8, 8 + 4 * level)
        code.compute_from(ADD, 1, 4)
        code.compute_from(ADD, 2, 4)
        code.compute_from(MOVE, 6, 1)
        code.compute_from(MOVE, 7, 2)
        code.goto("mark")
    code.label("outside")
    code.load(WORD, 6, 8, 8 + 4 * LEVELS)
    code.compute_from(MOVE, 7, 6)


def _mark(code: Code, marks: int) -> None:
    """Set the byte r6, and go on with the next unless it was r7."""
    code.compute_from(MOVE, 1, 6)
    code.compute(RIGHT, 1, ENTRY.bit_length() - 1)
    code.store(WORD, FRAME, KEY, 1)
    _look_up(code, marks)
    code.compute_from(MOVE, 1, 6)
    code.compute(AND, 1, ENTRY - 1)
    code.compute_from(ADD, 0, 1)
    code.store_value(BYTE, 0, 0, 1)
    code.jump_from(GREATER_EQUAL, 6, 7, "end")
    code.compute(ADD, 6, 1)


def _look_up(code: Code, map_fd: int) -> None:
    """r0 = the value of KEY; the program ends if there is none. r1 to r5 are lost."""
    code.map(1, map_fd)
    code.compute_from(MOVE, 2, FRAME)
    code.compute(ADD, 2, KEY)
    code.call(bpf.MAP_LOOKUP_ELEM)
    code.jump(EQUAL, 0, 0, "end")


# Typed


def _missed(program: int | None) -> Bounds:
    """From 6.2 on, a program does not interrupt itself; the kernel counts when it would have."""
    count = bpf.misses(program) if program else 0
    return Bounds(count, count)


def _load_typed(code: bytes, identity: int) -> int:
    return bpf.load(
        bpf.TRACING,
        code,
        attach_type=bpf.TRACE_RAW_TP,
        btf_id=identity,
        licence=TYPED_LICENCE,
    )


def _typed(types: Btf, event: On, *, reads: bool) -> tuple[int, Callable[[Code], None]]:
    identity = types.typedef(f"btf_trace_{event}")
    parameters = types.parameters(identity)
    what = "bio" if event is On.DISCARD else "request"
    found = [n for n, p in enumerate(parameters) if types.is_pointer_to(p, what)]
    if not found:
        raise BadFormat(f"{event} has no {what}")
    # The first parameter is the tracepoint's own, and no program gets it.
    argument, structure = found[0] - 1, types.pointed(parameters[found[0]])
    if event is On.DISCARD:
        return identity, _typed_bio(types, structure, argument)
    return identity, _typed_request(types, structure, argument, event, reads=reads)


def _typed_request(
    types: Btf, request: int, argument: int, event: On, *, reads: bool
) -> Callable[[Code], None]:
    flags, length = _offset(types, request, "cmd_flags"), _offset(types, request, "__data_len")
    sector = _offset(types, request, "__sector")
    to_disk = _path(types, request, ("rq_disk",)) or _path(types, request, ("q", "disk"))
    disk, gendisk = _found(to_disk, "the disk of a request")

    def prologue(code: Code) -> None:
        code.load(DOUBLE, 6, 1, 8 * argument)
        if event is On.COMPLETE:  # what ends now; the request may go on
            code.load(DOUBLE, 7, 1, 8 * (argument + 2))
        else:
            code.load(WORD, 7, 6, length)
        code.load(WORD, 2, 6, flags)
        if reads:
            code.compute(AND, 2, OPERATION)
            code.jump(NOT_EQUAL, 2, READ, "end")
        else:
            code.compute(AND, 2, 1)
            code.jump(EQUAL, 2, 0, "end")
        _count_sectors(code)
        _load_number(code, types, disk, gendisk)
        # A command of a program that talks to the disk itself has sector -1: outside.
        code.load(DOUBLE, 6, 6, sector)

    return prologue


def _typed_bio(types: Btf, bio: int, argument: int) -> Callable[[Code], None]:
    flags = _offset(types, bio, "bi_opf")
    at, iterator = _found(types.field(bio, "bi_iter"), "the sectors of a bio")
    sector = at + _offset(types, types.plain(iterator), "bi_sector")
    size = at + _offset(types, types.plain(iterator), "bi_size")
    to_disk = _path(types, bio, ("bi_disk",)) or _path(types, bio, ("bi_bdev", "bd_disk"))
    disk, gendisk = _found(to_disk, "the disk of a bio")

    def prologue(code: Code) -> None:
        code.load(DOUBLE, 6, 1, 8 * argument)
        code.load(WORD, 2, 6, flags)
        code.compute(AND, 2, OPERATION)
        code.jump(EQUAL, 2, DISCARD, "discard")
        code.jump(NOT_EQUAL, 2, SECURE_ERASE, "end")
        code.label("discard")
        code.load(WORD, 7, 6, size)
        _count_sectors(code)
        _load_number(code, types, disk, gendisk)
        code.load(DOUBLE, 6, 6, sector)

    return prologue


def _count_sectors(code: Code) -> None:
    """r7 = sectors of r7 bytes; the program ends if there are none."""
    code.compute(ADD, 7, 511)
    code.compute(RIGHT, 7, SECTOR_BITS)
    code.jump(EQUAL, 7, 0, "end")


def _load_number(code: Code, types: Btf, to_disk: Sequence[int], gendisk: int) -> None:
    """KEY = the device number of the disk that r6 leads to."""
    at = 6
    for offset in to_disk:
        code.load(DOUBLE, 3, at, offset)
        at = 3
    code.load(WORD, 4, 3, _offset(types, gendisk, "major"))
    code.compute(LEFT, 4, 20)
    code.load(WORD, 5, 3, _offset(types, gendisk, "first_minor"))
    code.compute_from(ADD, 4, 5)
    code.store(WORD, FRAME, KEY, 4)


def _offset(types: Btf, structure: int, name: str) -> int:
    return _found(types.field(structure, name), name)[0]


def _path(types: Btf, start: int, names: Sequence[str]) -> tuple[list[int], int] | None:
    """The offsets on the way along pointers, and what the last one points to."""
    offsets, structure = [], start
    for name in names:
        found = types.field(structure, name)
        if found is None:
            return None
        offsets.append(found[0])
        structure = types.pointed(found[1])
    return offsets, structure


def _found(value: T | None, name: str) -> T:
    if value is None:
        raise BadFormat(f"this kernel's types lack {name}")
    return value


# Recorded


def _recorded(
    event: On, offsets: dict[str, int], counts: int, *, reads: bool
) -> Callable[[Code], None]:
    if not offsets.keys() >= {"dev", "sector", "nr_sector", "rwbs"}:
        raise BadFormat(f"the record of {event} lacks a field")

    def prologue(code: Code) -> None:
        code.compute_from(MOVE, 9, 1)
        if event in COUNTED:
            _add_one(code, counts, COUNTED.index(event))
        code.load(BYTE, 2, 9, offsets["rwbs"])
        if event is On.DISCARD:
            code.jump(NOT_EQUAL, 2, ord("D"), "end")
        else:
            # "F" may stand before; write-zeroes is "N" on some kernels, and so are commands of
            # programs that talk to the disk themselves, with no sectors.
            code.jump(NOT_EQUAL if reads else EQUAL, 2, ord("R"), "end")
        code.load(WORD, 7, 9, offsets["nr_sector"])
        code.jump(EQUAL, 7, 0, "end")
        code.load(DOUBLE, 6, 9, offsets["sector"])
        code.load(WORD, 2, 9, offsets["dev"])
        code.store(WORD, FRAME, KEY, 2)

    return prologue


def _attach_counter(attached: Attached, counts: int, event: On) -> int:
    code = Code()
    _add_one(code, counts, len(COUNTED) + COUNTED.index(event))
    code.label("end")
    code.compute(MOVE, 0, 0)
    code.exit()
    program = bpf.load(bpf.RAW_TRACEPOINT, code.assemble())
    attached.keep(bpf.open_raw_tracepoint(program, event))
    return program


def _add_one(code: Code, counts: int, number: int) -> None:
    code.store_value(WORD, FRAME, KEY, 0)
    _look_up(code, counts)
    code.compute(MOVE, 1, 1)
    code.add_atomically(0, 8 * number, 1)


def _count(counts: int, counters: Sequence[int]) -> Lost:
    """The least of some looks: a look in the middle of an event shows one too many."""
    size = 32 * bpf.possible_cpus()
    looks = [(_sums(counts, size), _sums(counts, size)) for _ in range(4)]
    unseen = sum(map(bpf.misses, counters))
    return Lost(
        *(
            Bounds(
                min(before[n + 2] - after[n] for before, after in looks) + unseen,
                min(after[n + 2] - before[n] for before, after in looks) + unseen,
            )
            for n in range(len(COUNTED))
        )
    )


def _sums(counts: int, size: int) -> list[int]:
    numbers = struct.unpack(f"<{size // 8}Q", bpf.lookup(counts, bytes(4), size))
    return [sum(numbers[n::4]) for n in range(4)]
