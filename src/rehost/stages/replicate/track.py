"""Which blocks change while the machine runs: the best tracker for each disk, and how to use it.

    tracking = track(["/dev/vda", "/dev/vdb"])    # before the first block is read
    ... copy all used blocks ...
    changed = tracking.take("/dev/vda")           # again and again: take, then read

The rule that makes it right: *the mark is cleared, and then the block is read*. A write that ends
before the read is in what is read. One that ends after it is seen when it ends, which is after the
clearing, so the next `take` has it. That rests on the event of completion alone. The event of issue
is there as well, so that a block with a write on its way is in the set at any moment, also when
a copy is taken without freezing, and when the kernel does not say that a request has ended.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rehost.errors import HostError
from rehost.model.ranges import Range
from rehost.model.tracking import Tracker
from rehost.stages.replicate import track_blktrace, track_ebpf
from rehost.system import blockdev
from rehost.system.blockdev import Place

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
BEST_FIRST = tuple(Tracker)


@dataclass(frozen=True, slots=True)
class Choice:
    """The tracker of a disk, and why not a better one."""

    tracker: Tracker
    reason: str


class Tracking(Protocol):
    """Follows the writes to some disks, from when it was made until it is closed.

    `token` is new for each: marks that were set under another one are gone. Who remembers that a
    disk was copied must remember the token with it, and compare all used blocks if it differs.
    """

    token: str

    @property
    def choices(self) -> Mapping[str, Choice]: ...

    def take(self, disk: str) -> tuple[Range, ...] | None:
        """The blocks that were written since the last call, in order; read them after this.

        None: that is not known, compare all used blocks. Later answers are good again then,
        unless the disk's tracker is RESCAN.
        """

    def close(self) -> None:
        """Leave nothing in the kernel. May be called again."""


class Follower(Protocol):
    """One tracker at work on one or more disks, which are named by their paths."""

    def take(self, disk: str) -> tuple[Range, ...] | None: ...

    def close(self) -> None: ...


def track(disks: Sequence[str], *, allowed: Sequence[Tracker] = BEST_FIRST) -> Tracking:
    """Attach the best of the allowed trackers to each disk; one that cannot be tracked is RESCAN.

    Partitions may be named, too. Raises OSError if a disk is not there.
    """
    tracking = _Tracking({path: blockdev.find(path) for path in disks})
    try:
        for tracker in BEST_FIRST:
            if tracker in allowed and tracker in STARTS:
                tracking.start(tracker)
    except BaseException:
        tracking.close()
        raise
    return tracking


# Each attaches to the disks that pass its self-test, and says why not to the others.
STARTS: Mapping[Tracker, Callable[[Sequence[Place]], tuple[Follower | None, dict[str, str]]]] = {
    Tracker.EBPF_MMAP: track_ebpf.start_mapped,
    Tracker.EBPF_LOOKUP: track_ebpf.start_swapped,
    Tracker.BLKTRACE: track_blktrace.start,
}


class _Tracking:
    def __init__(self, places: Mapping[str, Place]) -> None:
        self.token = f"{BOOT_ID.read_text().strip()}/{uuid.uuid4()}"
        self._places = places
        self._followers: dict[str, Follower] = {}
        self._chosen: dict[str, Tracker] = {}
        self._reasons: dict[str, list[str]] = {path: [] for path in places}
        for path, place in places.items():
            if blockdev.is_zoned(place):
                self._chosen[path] = Tracker.RESCAN
                self._reasons[path].append("the disk has zones")

    @property
    def choices(self) -> Mapping[str, Choice]:
        return {
            path: Choice(self._chosen.get(path, Tracker.RESCAN), "; ".join(self._reasons[path]))
            for path in self._places
        }

    def start(self, tracker: Tracker) -> None:
        """Try it on the disks that have none yet."""
        rest = [place for path, place in self._places.items() if path not in self._chosen]
        if not rest:
            return
        follower: Follower | None = None
        try:
            follower, refused = STARTS[tracker](rest)
        except (OSError, HostError) as e:
            refused = {place.path: str(e) for place in rest}
        for path, reason in refused.items():
            self._reasons[path].append(f"{tracker}: {reason}")
        if follower:
            for path in (p.path for p in rest if p.path not in refused):
                self._chosen[path] = tracker
                self._followers[path] = follower

    def take(self, disk: str) -> tuple[Range, ...] | None:
        follower = self._followers.get(disk)
        return follower.take(disk) if follower else None

    def close(self) -> None:
        for follower in {id(f): f for f in self._followers.values()}.values():
            follower.close()
        self._followers.clear()
