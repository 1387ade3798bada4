"""How far a transfer is, in figures."""

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rehost.model.ranges import Range

_HALF_LIFE_S = 5.0
_SAMPLE_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskProgress:
    """Bytes. `done` of `total` is durably on the target; `sent` of it had to be transferred."""

    id: int
    name: str
    total: int
    done: int
    sent: int
    unreadable: tuple[Range, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """`rate` is bytes of disk per second, `wire_rate` what goes over the network for it.

    `ratio` is the bytes of disk sent per byte on the wire; None until something was sent.
    """

    disks: tuple[DiskProgress, ...]
    rate: float
    wire_rate: float
    ratio: float | None
    remaining_s: float | None
    trouble: str  # why nothing moves now, if so

    @property
    def total(self) -> int:
        return sum(disk.total for disk in self.disks)

    @property
    def done(self) -> int:
        return sum(disk.done for disk in self.disks)


class _Count:
    def __init__(self, name: str) -> None:
        self.name = name
        self.total = self.done = self.sent = 0


class Tally:
    """Counts for all threads of a transfer."""

    def __init__(self, names: Mapping[int, str]) -> None:
        self._lock = threading.Lock()
        self._disks = {id_: _Count(name) for id_, name in names.items()}
        self._wire = self._raw = 0
        self._rate, self._wire_rate = _Rate(), _Rate()
        self.trouble = ""

    def expect(self, disk: int, size: int) -> None:
        with self._lock:
            self._disks[disk].total += size

    def sent(self, disk: int, *, raw: int, wire: int) -> None:
        with self._lock:
            self._disks[disk].sent += raw
            self._raw += raw
            self._wire += wire
            self._wire_rate.add(wire)

    def compared(self, size: int) -> None:
        with self._lock:
            self._rate.add(size)

    def done(self, disk: int, size: int) -> None:
        self.trouble = ""
        with self._lock:
            self._disks[disk].done += size
            self._rate.add(size)

    @property
    def wire(self) -> int:
        return self._wire

    def progress(self, unreadable: Mapping[int, Iterable[Range]]) -> Progress:
        with self._lock:
            disks = tuple(
                DiskProgress(
                    id=id_,
                    name=count.name,
                    total=count.total,
                    done=min(count.done, count.total),
                    sent=count.sent,
                    unreadable=tuple(unreadable.get(id_, ())),
                )
                for id_, count in self._disks.items()
            )
            rate, left = self._rate.now(), sum(d.total - d.done for d in disks)
            return Progress(
                disks=disks,
                rate=rate,
                wire_rate=self._wire_rate.now(),
                ratio=self._raw / self._wire if self._wire else None,
                remaining_s=left / rate if rate > 1 else (None if left else 0.0),
                trouble=self.trouble,
            )


class _Rate:
    """Per second, over the last seconds more than over those before."""

    def __init__(self) -> None:
        self._began = self._since = time.monotonic()
        self._amount = 0.0
        self._rate: float | None = None

    def add(self, amount: float) -> None:
        self._amount += amount

    def now(self) -> float:
        passed = time.monotonic() - self._since
        if passed >= _SAMPLE_S or (self._rate is None and passed > 0.01):
            latest = self._amount / passed
            keep = 0.5 ** (passed / _HALF_LIFE_S)
            self._rate = latest if self._rate is None else keep * self._rate + (1 - keep) * latest
            self._amount, self._since = 0.0, time.monotonic()
        return self._rate or 0.0
