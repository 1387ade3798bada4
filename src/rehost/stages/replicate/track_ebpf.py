"""Changed blocks from eBPF programs at the events of block requests."""

import logging
from collections import deque
from collections.abc import Callable, Sequence

from rehost.errors import HostError
from rehost.model.ranges import Range
from rehost.stages.replicate.followed import Waiting
from rehost.system import bpf
from rehost.system.block_programs import WRITES, Door, Lost, On, Recorded, Typed
from rehost.system.blockdev import Place
from rehost.system.marks import MOST, MOST_TWICE, Device, MappedMarks, Marks, SwappedMarks, lay_out
from rehost.system.reader import ALIGNMENT, Reader

log = logging.getLogger(__name__)

# Marks of the self-test: coarse, so that they are few.
FEW = 1 << 16


class EbpfFollower:
    """Programs at `events` that mark what is written to the disks."""

    def __init__(
        self, places: Sequence[Place], door: Door, marks: Marks, events: Sequence[On] = WRITES
    ) -> None:
        """Takes over `marks`. Raises OSError or BadFormat."""
        self._marks = marks
        try:
            self._attached = door.attach(marks, events)
        except BaseException:
            marks.close()
            raise
        lost = self._attached.lost()
        self._areas = {}
        for area in marks.layout.areas:
            same = [p for p in places if p.disk.number == area.device.number]
            shared = (area, Skips(lost), Waiting(same))
            self._areas.update({p.path: shared for p in same})
        self._is_open = True

    def take(self, disk: str) -> tuple[Range, ...] | None:
        area, skips, waiting = self._areas[disk]
        fresh = self._marks.collect(area)
        waiting.add(skips.judge(fresh, self._attached.lost()))
        ranges = waiting.take(disk)
        if ranges is None:
            log.warning("%s: it is not known what was written; compare all used blocks", disk)
        return ranges

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._attached.close()
            self._marks.close()


class Skips:
    """What to make of it when the kernel did not run the programs at some events.

    A write whose completion was lost was marked when it was issued, and perhaps returned too
    early: so what was returned lately is returned again. Only one whose issue was lost, too, has
    no mark; that both were the same write's cannot be ruled out.
    """

    def __init__(self, lost: Lost) -> None:
        self._lost = lost
        self._issue = self._completion = False
        self._past: deque[tuple[Range, ...]] = deque(maxlen=2)

    def judge(self, fresh: tuple[Range, ...] | None, now: Lost) -> tuple[Range, ...] | None:
        """What to read, when `fresh` was marked and so many events were lost by now."""
        issue = now.issued.high > self._lost.issued.low
        completion = now.completed.high > self._lost.completed.low
        both = (issue or self._issue) and (completion or self._completion)
        self._lost, self._issue, self._completion = now, issue, completion
        past = [r for ranges in self._past for r in ranges] if completion else []
        self._past.append(fresh or ())
        return None if fresh is None or both else (*past, *fresh)


def start_mapped(places: Sequence[Place]) -> tuple[EbpfFollower | None, dict[str, str]]:
    """Follow the disks that pass the self-test; say why not the others. Raises OSError, BadFormat.

    The marks are in memory that is shared with the kernel.
    """
    try:
        return _start(places, Typed(), MappedMarks)
    except (OSError, HostError) as e:
        log.info("the kernel's types are of no use (%s); taking the tracepoints' records", e)
    return _start(places, Recorded(), MappedMarks)


def start_swapped(places: Sequence[Place]) -> tuple[EbpfFollower | None, dict[str, str]]:
    """The same, with marks that are read by system calls."""
    return _start(places, Recorded(), SwappedMarks, most=MOST_TWICE)


def sees(door: Door, make: Callable[..., Marks], place: Place) -> bool:
    """Whether each event of this disk is seen, and in the right place.

    Nothing is written: the programs are made to mark reads, which differ from writes in one
    comparison, and a block in the middle of the disk is read.
    """
    block = place.disk.size // 2 // ALIGNMENT * ALIGNMENT
    whole = Device(number=place.disk.number, size=place.disk.size)
    for event in (On.ISSUE, On.COMPLETE):
        marks = make(lay_out([whole], most=FEW))
        try:
            attached = door.attach(marks, (event,), reads=True)
            try:
                with Reader(place.whole, direct=True) as disk:
                    disk.read(block, ALIGNMENT)
                seen = marks.collect(marks.layout.areas[0]) or ()
            finally:
                attached.close()
        finally:
            marks.close()
        if not any(r.offset <= block < r.end for r in seen):
            return False
    return True


def _start(
    places: Sequence[Place], door: Door, make: Callable[..., Marks], *, most: int = MOST
) -> tuple[EbpfFollower | None, dict[str, str]]:
    bpf.allow_locked_memory()
    good = [place for place in places if sees(door, make, place)]
    refused = {p.path: "no requests of this disk are seen" for p in places if p not in good}
    if not good:
        return None, refused
    disks = {place.disk.number: place.disk for place in good}
    marks = make(lay_out(list(disks.values()), most=most))
    return EbpfFollower(good, door, marks), refused
