"""A running source and its copy: everything once, then what changes, until the two are in step.

Tracking begins before it is looked what is used, and what is used is looked at before anything is
read. From then on each pass sends what was written since the pass before began, so nothing is
missed; how much is left is what was written while a pass ran.

At the end the caller freezes all filesystems, and `hold_last` is what must be done then. What is
used is asked of a filesystem that is frozen, too: that reads it alone (tests/blockdev).
"""

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rehost.cutover_errors import ChangesLost, CutTooLong
from rehost.model.ranges import Range
from rehost.stages.replicate.copied import Copied
from rehost.stages.replicate.followed import joined
from rehost.stages.replicate.job import UsedRanges
from rehost.stages.replicate.plan import outside, readable
from rehost.stages.replicate.sender import Sender
from rehost.stages.replicate.source import Source
from rehost.stages.replicate.track import Tracking
from rehost.stream_errors import SourceUnavailable

log = logging.getLogger(__name__)

SMALL = 8 << 20  # bytes: read and sent in a moment
SHRINKS = 0.8  # of the pass before, or it is not worth another
PASSES = 30
LITTLE = 1 << 20  # bytes: to leave less at the cut is not worth another pass
LAST_PASSES = 4  # others may wait for them already: a database that a hook has quieted
PAUSE_S = 1.0
LATENCY_S = 0.05  # of freezing, flushing and thawing, whatever is left to send


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far the copy is behind. Rates are bytes per second of the disk; None is not known yet.

    `lag` is what the last pass had to send, `lag_s` how long ago the moment is that the copy is
    known to hold. `stall_s` is how long writes would wait if it were cut now: to read what one
    more pass leaves, to send what memory does not hold, and to compare disks that nothing tracks.
    `converge_s` is when the copy is in step if all goes on like this: None if it never is, for
    `change_rate` is more than `send_rate`.
    """

    passes: int
    lag: int
    lag_s: float
    change_rate: float | None
    send_rate: float | None
    stall_s: float | None
    converge_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """By disk: how many bytes were compared at both ends, and what differed though nobody wrote
    it; no entry there: nothing."""

    compared: Mapping[int, int]
    differed: Mapping[int, tuple[Range, ...]]


class Follow(Protocol):
    """What tells which parts of one disk were written; None: not known, compare all."""

    def __call__(self) -> tuple[Range, ...] | None: ...


class Sync:
    """One source and its copy. For one thread; `standing` may be asked from any."""

    def __init__(
        self,
        sender: Sender,
        sources: Mapping[int, Source],
        follow: Mapping[int, Follow],
        used_ranges: UsedRanges,
    ) -> None:
        """`follow` was started already, by the ids of the disks."""
        self._sender = sender
        self._sources = sources
        self._follow = follow
        self._used_ranges = used_ranges
        self._copied = {id_: Copied() for id_ in sources}
        self._left: dict[int, tuple[Range, ...]] = {}  # found different, to be sent again
        self._last: dict[int, tuple[Range, ...]] = {}  # held in memory, to be sent
        self._unknown: set[int] = set()  # disks that must be compared
        self._lost: set[int] = set()  # those that were not known when it was asked last
        self._untracked: frozenset[int] = frozenset()  # and before that: nothing tracks them
        self._compared: frozenset[int] = frozenset()  # by the last pass that did, as not known
        self._compare_s = 0.0  # and how long that took
        self._passes = 0
        self._sent = 0  # by the last pass
        self._took_at = self._known_at = self._held_at = time.monotonic()
        self._change, self._send = _Rate(), _Rate()
        self._read = _Rate()  # of one thread

    def first_pass(self) -> None:
        """Everything that is used; what the receiver has already is not sent again."""
        self._took_at = time.monotonic()
        used = {id_: tuple(self._used_ranges(s.path)) for id_, s in self._sources.items()}
        self._copied = {id_: Copied(self._sent_for(id_, ranges)) for id_, ranges in used.items()}
        self._sender.discard(
            {id_: tuple(outside(used[id_], s.size)) for id_, s in self._sources.items()}
        )
        self._sender.first_pass(used)
        self._known_at = self._took_at

    def one_pass(self, *, compare: bool = True) -> int:
        """Send what was written since the last pass began; returns how many bytes that was.

        Without `compare`, disks that nothing tracks are left to another pass: to compare one takes
        a reading of all of it.
        """
        began, before, read = time.monotonic(), self._took_at, self._reading()
        self._took_at = began
        changed = self._changed(compare=compare)
        compared_at = time.monotonic()
        self._send_all(changed)
        sent, now, left = _bytes(changed), time.monotonic(), self._reading()
        self._change.add(sent, began - before)
        if sent:
            self._send.add(sent, now - compared_at)
        self._read.add(left[0] - read[0], left[1] - read[1])
        self._sent = sent
        if not self._unknown:
            self._known_at = began
        self._passes += 1
        return sent

    def settle(self) -> int:
        """Passes until little is left, or no less than before; returns what the last one sent.

        Another pass, or a comparison, is to follow: disks that nothing tracks are left to it.
        """
        sent = self.one_pass(compare=False)
        for _ in range(PASSES):
            before, sent = sent, self.one_pass(compare=False)
            if sent <= SMALL or sent > SHRINKS * before:
                break
        return sent

    def keep(self, until: Callable[[], bool], wait: Callable[[float], None]) -> None:
        """Stay in step until `until`; at rest it costs a look every PAUSE_S."""
        while not until():
            if self.one_pass() <= SMALL:
                wait(PAUSE_S)

    def verify(self) -> Verified:
        """Digest at both ends what the copy was given until now.

        Of a disk that nothing tracks, what differs cannot be told from what was written. The next
        pass sends all that differs again. Ordered to skip it, it ends early: then not all that it
        says was compared, and what was found is sent again regardless.
        """
        self.one_pass(compare=False)
        copied = {disk: copied.ranges for disk, copied in self._copied.items()}
        differing = self._sender.verify(copied, may_skip=True)
        changed = self._changed(compare=False)
        wrong = {
            disk: left
            for disk, ranges in differing.items()
            if disk not in self._unknown
            and (left := tuple(_apart_from(changed.get(disk, ()), ranges)))
        }
        if wrong:
            log.warning("ranges of the copy differ, and are sent again: %s", wrong)
        for disk in changed.keys() | differing.keys():
            self._leave(disk, (*changed.get(disk, ()), *differing.get(disk, ())))
        sizes = {disk: sum(r.length for r in ranges) for disk, ranges in copied.items()}
        return Verified(compared=sizes, differed=wrong)

    def prepare_last(self, limit_s: float = math.inf) -> None:
        """Passes without regard for others, right before `hold_last`; so that is left less.

        Raises CutTooLong where `hold_last` would take longer than `limit_s` to compare disks.
        """
        with self._hurry():
            sent = self.one_pass()
            for _ in range(LAST_PASSES):
                if sent <= LITTLE:
                    break
                before, sent = sent, self.one_pass(compare=False)
                if sent > SHRINKS * before:
                    break
        if self._compare_s > limit_s:
            raise CutTooLong(self._names(self._compared), self._compare_s, limit_s)

    def hold_last(self) -> None:
        """While nothing is written: what is left is read, and kept for `send_last`.

        What is too much for memory is sent at once, and those who write wait for it. Raises
        ChangesLost if a disk must be compared that had not to be before: that takes a pass.
        """
        self._held_at = time.monotonic()
        with self._hurry():
            self._take()
            if lost := self._unknown - self._compared:
                raise ChangesLost(self._names(lost))
            changed = self._all_known()
            if _bytes(changed) > self._sender.held:
                self._send_all(changed)
                return
            self._last = changed
            for disk, ranges in changed.items():
                source = self._sources[disk]
                source.hold(readable(ranges, source.size))

    def send_last(self) -> None:
        """After this, the copy is the source as it was at `hold_last`."""
        self._send_all(self._last)
        self._forget_last()
        self._known_at, self._sent = self._held_at, 0

    def give_up_last(self) -> None:
        """The moment was not held: what was read then is not sent, but read again."""
        for disk, ranges in self._last.items():
            self._leave(disk, ranges)
        self._forget_last()

    def watch(self) -> None:
        """Take in what was written, and send nothing: the copy stays what it is."""
        self._take()

    def _send_all(self, ranges: Mapping[int, tuple[Range, ...]]) -> None:
        self._sender.send(ranges)
        for disk, sent in ranges.items():
            self._copied[disk].add(self._sent_for(disk, sent))

    def _sent_for(self, disk: int, ranges: Iterable[Range]) -> tuple[Range, ...]:
        """What is sent for these: small gaps between them, too."""
        return tuple(readable(ranges, self._sources[disk].size))

    def _forget_last(self) -> None:
        self._last = {}
        for source in self._sources.values():
            source.release()

    @contextmanager
    def _hurry(self) -> Iterator[None]:
        """Others wait: no speed limit, no pause, no courtesy."""
        with self._sender.control.hurried():
            self._sender.be_courteous(False)
            try:
                yield
            finally:
                self._sender.be_courteous(True)

    def standing(self) -> Standing:
        change, send = self._change.now, self._send.now
        lag_s = time.monotonic() - self._known_at
        return Standing(
            passes=self._passes,
            lag=self._sent,
            lag_s=lag_s,
            change_rate=change,
            send_rate=send,
            stall_s=self._stall_s(),
            converge_s=_converges(self._sent, change, send),
        )

    def _stall_s(self) -> float | None:
        """Right before the cut there is another pass: what is left is what is written during it."""
        change, send = self._change.now, self._send.now
        left = self._sent * min(1.0, change / send) if change is not None and send else self._sent
        rate = self._read.now if left <= self._sender.held else send
        if left and not rate:
            return None
        return LATENCY_S + self._compare_s + (left / rate if rate else 0.0)

    def _changed(self, *, compare: bool) -> dict[int, tuple[Range, ...]]:
        """And what was left over. Compares all of a disk whose tracker does not know.

        Without `compare`, only where a tracker knew before: what it lost is found at once.
        """
        self._take()
        return self._all_known(frozenset() if compare else self._untracked)

    def _take(self) -> None:
        """The marks are cleared here, before anything is read: the rule of track.py."""
        lost = set()
        for disk, follow in self._follow.items():
            self._sources[disk].expect_same_size()
            known = follow()
            if known is None:
                lost.add(disk)
            else:
                self._leave(disk, known)
        self._untracked = frozenset(lost & self._lost)
        self._lost = lost
        self._unknown |= lost

    def _all_known(self, but: frozenset[int] = frozenset()) -> dict[int, tuple[Range, ...]]:
        """What was taken and is not sent yet; it is the caller's to send."""
        began, compared = time.monotonic(), frozenset(self._unknown - but)
        for disk in compared:
            self._leave(disk, self._compare(disk))
        self._unknown -= compared
        self._compared = compared | (self._compared & but)
        if compared or not self._compared:
            self._compare_s = time.monotonic() - began if compared else 0.0
        return {disk: self._left.pop(disk, ()) for disk in self._follow}

    def _compare(self, disk: int) -> tuple[Range, ...]:
        """What differs now of all that is used now."""
        log.info("disk %s is compared: what was written to it is not known", disk)
        used = self._sent_for(disk, self._used_ranges(self._sources[disk].path))
        self._copied[disk] = Copied(used)
        return self._sender.verify({disk: used}).get(disk, ())

    def _reading(self) -> tuple[int, float]:
        each = [source.reading for source in self._sources.values()]
        return sum(size for size, _ in each), sum(took for _, took in each)

    def _names(self, disks: Iterable[int]) -> str:
        return ", ".join(self._sources[disk].name for disk in sorted(disks))

    def _leave(self, disk: int, ranges: Iterable[Range]) -> None:
        self._left[disk] = joined((*self._left.get(disk, ()), *ranges))


def follow_disks(sources: Mapping[int, Source], tracking: Tracking | None) -> dict[int, Follow]:
    """How each disk is followed: block devices by `tracking`, image files by their times."""

    def tracked(path: str) -> Follow:
        assert tracking is not None  # noqa: S101 - it was made for the block devices
        return lambda: tracking.take(path)

    return {
        id_: tracked(str(source.path)) if source.is_device else ImageFile(source.path)
        for id_, source in sources.items()
    }


class ImageFile:
    """A file has times: where they stay, nobody wrote. Where it was written, they do not say."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = self._look()

    def __call__(self) -> tuple[Range, ...] | None:
        before, self._seen = self._seen, self._look()
        return () if before == self._seen else None

    def _look(self) -> tuple[int, int, int]:
        try:
            found = self._path.stat()
        except OSError as e:
            raise SourceUnavailable(f"the image {self._path} is not there any more: {e}") from e
        return found.st_mtime_ns, found.st_ctime_ns, found.st_size


def _apart_from(others: Iterable[Range], ranges: Iterable[Range]) -> Iterator[Range]:
    """The ranges that none of the others touches."""
    touched = list(others)
    for r in ranges:
        if not any(other.offset < r.end and r.offset < other.end for other in touched):
            yield r


def _bytes(ranges: Mapping[int, Iterable[Range]]) -> int:
    return sum(r.length for each in ranges.values() for r in each)


class _Rate:
    """Per second: half of it is what was last. What took longer says more."""

    def __init__(self) -> None:
        self._amount = self._seconds = 0.0

    def add(self, amount: float, seconds: float) -> None:
        if seconds <= 0:
            return
        self._amount = 0.5 * self._amount + amount
        self._seconds = 0.5 * self._seconds + seconds

    @property
    def now(self) -> float | None:
        return self._amount / self._seconds if self._seconds > 0 else None


def _converges(left: int, change: float | None, send: float | None) -> float | None:
    if left <= SMALL:
        return 0.0
    if change is None or send is None or change >= send:
        return None
    return left / (send - change)
