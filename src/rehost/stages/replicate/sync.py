"""A running source and its copy: everything once, then what changes, until the two are in step.

Tracking begins before it is looked what is used, and what is used is looked at before anything is
read. From then on each pass sends what was written since the pass before began, so nothing is
missed; how much is left is what was written while a pass ran.

At the end the caller freezes all filesystems, and `hold_last` is what must be done then.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rehost.model.ranges import Range
from rehost.stages.replicate.followed import joined
from rehost.stages.replicate.job import UsedRanges
from rehost.stages.replicate.plan import outside, readable
from rehost.stages.replicate.sender import Sender
from rehost.stages.replicate.source import Source
from rehost.stages.replicate.track import Tracking

log = logging.getLogger(__name__)

SMALL = 8 << 20  # bytes: read and sent in a moment
SHRINKS = 0.8  # of the pass before, or it is not worth another
HELD = 64 << 20  # bytes that are kept in memory at the cut
PASSES = 30
PAUSE_S = 1.0
LATENCY_S = 0.05  # of freezing, flushing and thawing, whatever is left to send


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far the copy is behind. Rates are bytes per second of the disk; None is not known yet.

    `lag` is what the last pass had to send, `lag_s` how long ago the moment is that the copy is
    known to hold. `stall_s` is how long writes would wait if it were cut now, `converge_s` when
    the copy is in step if all goes on like this: None if it never is, for `change_rate` is more
    than `send_rate`.
    """

    passes: int
    lag: int
    lag_s: float
    change_rate: float | None
    send_rate: float | None
    stall_s: float | None
    converge_s: float | None


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
        self._used: dict[int, tuple[Range, ...]] = {}
        self._left: dict[int, tuple[Range, ...]] = {}  # found different, to be sent again
        self._last: dict[int, tuple[Range, ...]] = {}  # held in memory, to be sent
        self._passes = 0
        self._sent = 0  # by the last pass
        self._took_at = self._known_at = time.monotonic()
        self._change_rate: float | None = None
        self._send_rate: float | None = None

    def first_pass(self) -> None:
        """Everything that is used; what the receiver has already is not sent again."""
        self._took_at = time.monotonic()
        self._used = {id_: tuple(self._used_ranges(s.path)) for id_, s in self._sources.items()}
        self._sender.discard(
            {id_: tuple(outside(self._used[id_], s.size)) for id_, s in self._sources.items()}
        )
        self._sender.first_pass(self._used)
        self._known_at = self._took_at

    def one_pass(self) -> int:
        """Send what was written since the last pass began; returns how many bytes that was."""
        began, before = time.monotonic(), self._took_at
        self._took_at = began
        changed = self._changed()
        self._sender.send(changed)
        took = time.monotonic() - began
        self._sent = sum(r.length for ranges in changed.values() for r in ranges)
        self._change_rate = _blend(self._change_rate, self._sent / max(began - before, 1e-3))
        if self._sent:
            self._send_rate = _blend(self._send_rate, self._sent / max(took, 1e-3))
        self._known_at = began
        self._passes += 1
        return self._sent

    def settle(self) -> int:
        """Passes until little is left, or no less than before; returns what the last one sent."""
        sent = self.one_pass()
        for _ in range(PASSES):
            before, sent = sent, self.one_pass()
            if sent <= SMALL or sent > SHRINKS * before:
                break
        return sent

    def keep(self, until: Callable[[], bool], wait: Callable[[float], None]) -> None:
        """Stay in step until `until`; at rest it costs a look every PAUSE_S."""
        while not until():
            if self.one_pass() <= SMALL:
                wait(PAUSE_S)

    def verify(self) -> dict[int, tuple[Range, ...]]:
        """Digest what was used at both ends; what differs though nobody wrote it, by disk.

        The next pass sends all that differs again.
        """
        self.one_pass()
        differing = self._sender.verify(self._used)
        changed = self._changed()
        wrong = {
            disk: left
            for disk, ranges in differing.items()
            if (left := tuple(_apart_from(changed.get(disk, ()), ranges)))
        }
        if wrong:
            log.warning("ranges of the copy differ, and are sent again: %s", wrong)
        for disk in changed.keys() | differing.keys():
            self._leave(disk, (*changed.get(disk, ()), *differing.get(disk, ())))
        return wrong

    def hold_last(self) -> None:
        """While nothing is written: what is left is read, and kept for `send_last`.

        What is too much for memory is sent at once, and those who write wait for it.
        """
        self._took_at = time.monotonic()
        changed = self._changed()
        if sum(r.length for ranges in changed.values() for r in ranges) > HELD:
            with self._hurry():
                self._sender.send(changed)
            return
        for disk, ranges in changed.items():
            source = self._sources[disk]
            source.hold(readable(ranges, source.size))
        self._last = changed

    def send_last(self) -> None:
        """After this, the copy is the source as it was at `hold_last`."""
        self._sender.send(self._last)
        self._forget_last()

    def give_up_last(self) -> None:
        """The moment was not held: what was read then is not sent, but read again."""
        for disk, ranges in self._last.items():
            self._leave(disk, ranges)
        self._forget_last()

    def _forget_last(self) -> None:
        self._last = {}
        for source in self._sources.values():
            source.release()

    @contextmanager
    def _hurry(self) -> Iterator[None]:
        """Others wait: no speed limit, no courtesy."""
        control = self._sender.control
        limit = control.limit
        control.set_limit(None)
        self._sender.be_courteous(False)
        try:
            yield
        finally:
            self._sender.be_courteous(True)
            control.set_limit(limit)

    def standing(self) -> Standing:
        change, send = self._change_rate, self._send_rate
        lag_s = time.monotonic() - self._known_at
        return Standing(
            passes=self._passes,
            lag=self._sent,
            lag_s=lag_s,
            change_rate=change,
            send_rate=send,
            stall_s=None if not send else LATENCY_S + self._sent / send,
            converge_s=_converges(self._sent, change, send),
        )

    def _changed(self) -> dict[int, tuple[Range, ...]]:
        """And what was left over. Compares all of a disk whose tracker does not know."""
        changed: dict[int, tuple[Range, ...]] = {}
        for disk, follow in self._follow.items():
            # The marks are cleared here, before anything is read: the rule of track.py.
            known = follow()
            if known is None:
                known = self._compare(disk)
            changed[disk] = joined((*known, *self._left.pop(disk, ())))
        return changed

    def _compare(self, disk: int) -> tuple[Range, ...]:
        """What differs now of all that is used now."""
        log.info("disk %s is compared: what was written to it is not known", disk)
        path = self._sources[disk].path
        self._used[disk] = tuple(self._used_ranges(path))
        return self._sender.verify({disk: self._used[disk]}).get(disk, ())

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
        found = self._path.stat()
        return found.st_mtime_ns, found.st_ctime_ns, found.st_size


def _apart_from(others: Iterable[Range], ranges: Iterable[Range]) -> Iterator[Range]:
    """The ranges that none of the others touches."""
    touched = list(others)
    for r in ranges:
        if not any(other.offset < r.end and r.offset < other.end for other in touched):
            yield r


def _blend(before: float | None, now: float) -> float:
    return now if before is None else 0.5 * before + 0.5 * now


def _converges(left: int, change: float | None, send: float | None) -> float | None:
    if left <= SMALL:
        return 0.0
    if change is None or send is None or change >= send:
        return None
    return left / (send - change)
