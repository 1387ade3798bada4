"""One byte of kernel memory for each block of the disks that are followed; set: it was written.

A request longer than the programs' loop sets bytes that stand for more: level n + 1 has one byte
for 16 blocks of level n. One more byte of each disk says that a write was not on the disk at all.
"""

import ctypes
import mmap
import os
import platform
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from rehost.model.ranges import Range
from rehost.system import bpf

ENTRY = 4096  # bytes of one value of the map: what old verifiers can bound with one AND
LEVELS, LEVEL_BITS = 7, 4  # the highest level covers 34 TiB, more than one request can
SECTOR_BITS = 9
FINEST = 16  # 64 KiB
MOST = 64 << 20  # bytes of marks; larger disks get larger blocks
# A map that is read by system calls is there twice.
MOST_TWICE = 16 << 20
DEVICE = struct.Struct(f"<Q{LEVELS}II")  # sectors, where each level begins, the byte `outside`
SET = re.compile(rb"[^\0]+")
ZEROS = bytes(ENTRY)

MEMBARRIER = {"x86_64": 324, "aarch64": 283}
MEMBARRIER_GLOBAL, PRIVATE_EXPEDITED, REGISTER_PRIVATE_EXPEDITED = 1, 8, 16

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A whole disk as the kernel counts it: `number` is major << 20 | minor."""

    number: int
    size: int  # bytes
    partitions: tuple[int, ...] = ()  # their numbers


@dataclass(frozen=True, slots=True)
class Area:
    """The marks of one disk: where each level begins, and behind them the byte `outside`."""

    device: Device
    starts: tuple[int, ...]
    outside: int

    def packed(self) -> bytes:
        return DEVICE.pack(self.device.size >> SECTOR_BITS, *self.starts, self.outside)


@dataclass(frozen=True, slots=True)
class Layout:
    """Which byte stands for what. `shift` is the binary logarithm of the block size."""

    shift: int
    areas: tuple[Area, ...]
    size: int  # bytes, whole entries

    @property
    def entries(self) -> int:
        return self.size // ENTRY


class Marks(Protocol):
    """The marks of all disks of a layout, in kernel memory."""

    layout: Layout
    maps: tuple[int, ...]  # descriptors of: the marks, and what tells which half is in use

    def collect(self, area: Area) -> tuple[Range, ...] | None:
        """The blocks that were marked since the last call; their marks are clear when it returns.

        Whatever is marked afterwards, the next call returns: who reads the blocks only now cannot
        miss a write. None: something was written, and it cannot be said where.
        """

    def close(self) -> None: ...


def lay_out(devices: Sequence[Device], *, most: int = MOST) -> Layout:
    total = sum(d.size for d in devices)
    shift = next(s for s in range(FINEST, 64) if total >> s <= most)
    areas, at = [], 0
    for device in devices:
        starts = []
        for level in range(LEVELS):
            starts.append(at)
            at += (device.size >> (shift + LEVEL_BITS * level)) + 1
        areas.append(Area(device, tuple(starts), at))
        at += 1
    return Layout(shift, tuple(areas), -(-at // ENTRY) * ENTRY)


class MappedMarks:
    """Marks in memory that the kernel's programs and this process share (Linux 5.5).

    Why no mark is lost: a byte that is not set is not touched here. One that is set is cleared
    only after it was seen, and its block is read only after it was cleared. If a program sets it
    between the look and the clearing, its write has ended (or another event will tell when it
    ends) before the block is read. The barrier keeps the processor from reading the disk first.
    """

    def __init__(self, layout: Layout) -> None:
        """Raises OSError on kernels that cannot."""
        self.layout = layout
        fd = bpf.create_map(
            bpf.MAP_TYPE_ARRAY,
            key_size=4,
            value_size=ENTRY,
            entries=layout.entries,
            flags=bpf.F_MMAPABLE,
        )
        self.maps: tuple[int, ...] = (fd,)
        try:
            self._memory = mmap.mmap(fd, layout.size)
        except OSError:
            os.close(fd)
            raise

    def collect(self, area: Area) -> tuple[Range, ...] | None:
        outside = self._memory[area.outside]
        found = list(self._clear(area.starts[0], area.outside + 1))
        barrier()
        return None if outside else merged(area, self.layout, found)

    def close(self) -> None:
        self._memory.close()
        os.close(self.maps[0])

    def _clear(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        memory = self._memory
        for at in range(start, end, ENTRY):
            seen = memory[at : min(at + ENTRY, end)]
            if seen == ZEROS[: len(seen)]:
                continue
            for run in SET.finditer(seen):
                first, behind = at + run.start(), at + run.end()
                memory[first:behind] = bytes(behind - first)
                yield first, behind


class SwappedMarks:
    """Marks that are read by system calls (Linux 4.18), in two halves, one of them in use.

    The kernel cannot read and clear a value in one step. So the programs are told to use the
    other half, those that still run are waited for, and then nobody writes the half that is read.
    """

    def __init__(self, layout: Layout) -> None:
        """Raises OSError."""
        self.layout = layout
        marks = bpf.create_map(
            bpf.MAP_TYPE_ARRAY, key_size=4, value_size=ENTRY, entries=2 * layout.entries
        )
        try:
            chosen = bpf.create_map(bpf.MAP_TYPE_ARRAY, key_size=4, value_size=4, entries=1)
        except OSError:
            os.close(marks)
            raise
        self.maps: tuple[int, ...] = (marks, chosen)
        self._in_use = 0
        self._waiting: dict[int, set[int]] = {n: set() for n, _ in enumerate(layout.areas)}

    def collect(self, area: Area) -> tuple[Range, ...] | None:
        self._swap()
        waiting = self._waiting[self.layout.areas.index(area)]
        found = sorted(waiting)
        waiting.clear()
        if area.outside in found:
            return None
        return merged(area, self.layout, [(at, at + 1) for at in found])

    def close(self) -> None:
        for fd in self.maps:
            os.close(fd)

    def _swap(self) -> None:
        """Move the marks of all disks from the half in use to `_waiting`."""
        rest, self._in_use = self._in_use, 1 - self._in_use
        start = self._in_use * self.layout.size
        bpf.update(self.maps[1], bytes(4), struct.pack("<I", start))
        wait_for_programs()
        for entry in range(self.layout.entries):
            key = struct.pack("<I", rest * self.layout.entries + entry)
            seen = bpf.lookup(self.maps[0], key, ENTRY)
            if seen != ZEROS:
                bpf.update(self.maps[0], key, ZEROS)
                self._keep(entry * ENTRY, seen)

    def _keep(self, at: int, seen: bytes) -> None:
        for run in SET.finditer(seen):
            for byte in range(at + run.start(), at + run.end()):
                for number, area in enumerate(self.layout.areas):
                    if area.starts[0] <= byte <= area.outside:
                        self._waiting[number].add(byte)


def merged(area: Area, layout: Layout, bytes_set: Sequence[tuple[int, int]]) -> tuple[Range, ...]:
    """The parts of the disk that these marks stand for: in order, apart from each other."""
    size = area.device.size
    parts = sorted(
        part
        for first, behind in bytes_set
        for part in _parts(area, layout, first, behind)
        if part[0] < size
    )
    ranges: list[Range] = []
    start = end = 0
    for first, behind in parts:
        if first > end:
            if end > start:
                ranges.append(Range(start, end - start))
            start = first
        end = max(end, min(behind, size))
    if end > start:
        ranges.append(Range(start, end - start))
    return tuple(ranges)


def barrier() -> None:
    """What this thread stored is seen by all processors before it does anything else."""
    if _membarrier(PRIVATE_EXPEDITED) < 0:
        _membarrier(REGISTER_PRIVATE_EXPEDITED)
        if _membarrier(PRIVATE_EXPEDITED) < 0:
            wait_for_programs()


def wait_for_programs() -> None:
    """Programs that ran when this was called have ended when it returns."""
    if _membarrier(MEMBARRIER_GLOBAL) == 0:
        return
    # Not with nohz_full. Programs are not preempted: who has run on each CPU has seen them end.
    allowed = os.sched_getaffinity(0)
    try:
        for cpu in range(bpf.possible_cpus()):
            try:
                os.sched_setaffinity(0, {cpu})
            except OSError:  # not online, or not ours: then this kernel must be rescanned
                if cpu in allowed:
                    raise
    finally:
        os.sched_setaffinity(0, allowed)


def _parts(area: Area, layout: Layout, first: int, behind: int) -> Iterator[tuple[int, int]]:
    ends = (*area.starts[1:], area.outside)
    if behind <= ends[0]:  # as most are
        start = area.starts[0]
        yield (first - start) << layout.shift, (behind - start) << layout.shift
        return
    for level, (start, end) in enumerate(zip(area.starts, ends, strict=True)):
        low, high = max(first, start) - start, min(behind, end) - start
        if low < high:
            shift = layout.shift + LEVEL_BITS * level
            yield low << shift, high << shift


def _membarrier(command: int) -> int:
    number = MEMBARRIER.get(platform.machine())
    return -1 if number is None else int(_libc.syscall(number, command, 0))
