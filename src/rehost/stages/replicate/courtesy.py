"""The source's own work comes first: read less at once, and slower, while it is busy.

CPU is left to others by niceness; where they want nearly all of it, one thread reads at a time.
Where the disk answers much slower than it can, reading pauses as well - but never so long that a
server which is always busy is never copied.
"""

import logging
import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

_WINDOW_S = 1.0
_SLOW = 5.0  # times the best latency seen
_SLOW_LEAST_S = 0.02
_BUSY_CPU = 0.85  # of all cores, wanted by others
_STALLED = 30.0  # per cent of time that something waited for the disk, by PSI
_LONGEST_PAUSE_S = 0.1  # between MiB: about 10 MB/s are left
_FIRST_PAUSE_S = 0.0125
_PRESSURE = Path("/proc/pressure/io")
_STAT = Path("/proc/stat")


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """`others` is the share of all CPUs that other programs use; `stalled` is PSI's, in per cent,
    None where the kernel does not say."""

    others: float
    stalled: float | None


class Courtesy:
    """For all lanes of a transfer; `enabled` False reads as fast as can be."""

    def __init__(
        self,
        *,
        lanes: int,
        enabled: bool = True,
        hasten: Callable[[], bool] = lambda: False,
        measure: "Callable[[], Load] | None" = None,
        window_s: float = _WINDOW_S,
    ) -> None:
        """`hasten` tells when somebody waits for the end of the transfer."""
        self._window_s = window_s
        self._lanes = lanes
        self._enabled = enabled
        self._hasten = hasten
        self._measure = measure or LoadMeter()
        self._changed = threading.Condition()
        self._allowed = lanes
        self._reading = 0
        self._pause_s = 0.0
        self._latencies: list[float] = []
        self._best: float | None = None
        self._since = time.monotonic()

    def enable(self, wanted: bool) -> None:
        """From the next read on."""
        self._enabled = wanted

    @property
    def allowed(self) -> int:
        """How many may read at once now."""
        return self._allowed

    @property
    def pause_s(self) -> float:
        return self._pause_s

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Around each read."""
        if not self._enabled or self._hasten():
            yield
            return
        self._enter()
        began = time.monotonic()
        try:
            yield
        finally:
            self._leave(time.monotonic() - began)

    def _enter(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._reading < self._allowed)
            self._reading += 1
        if self._pause_s:
            time.sleep(self._pause_s)

    def _leave(self, latency: float) -> None:
        with self._changed:
            self._reading -= 1
            self._latencies.append(latency)
            if time.monotonic() - self._since >= self._window_s:
                self._judge()
            self._changed.notify()

    def _judge(self) -> None:
        typical = sorted(self._latencies)[len(self._latencies) // 2]
        self._best = typical if self._best is None else min(self._best * 1.01, typical)
        slow = typical > max(_SLOW_LEAST_S, _SLOW * self._best)
        load = self._measure()
        if slow or (load.stalled or 0) > _STALLED:
            self._back_off()
        elif load.others > _BUSY_CPU:
            self._allowed, self._pause_s = max(1, self._allowed // 2), 0.0
        else:
            self._go_on()
        self._latencies.clear()
        self._since = time.monotonic()

    def _back_off(self) -> None:
        if self._allowed > 1:
            self._allowed //= 2
        else:
            self._pause_s = min(_LONGEST_PAUSE_S, 2 * self._pause_s or _FIRST_PAUSE_S)
        log.debug("the source is busy: %d at once, pause %.2f s", self._allowed, self._pause_s)

    def _go_on(self) -> None:
        if self._pause_s:
            self._pause_s = self._pause_s / 2 if self._pause_s > _FIRST_PAUSE_S else 0.0
        else:
            self._allowed = min(self._lanes, self._allowed + 1)


class LoadMeter:
    """Since the last call."""

    def __init__(self) -> None:
        self._cores = os.cpu_count() or 1
        self._tick = 1 / os.sysconf("SC_CLK_TCK")
        self._last = self._now()

    def __call__(self) -> Load:
        at, busy, own = self._now()
        before, busy_before, own_before = self._last
        self._last = at, busy, own
        others = (busy - busy_before - (own - own_before)) / max(at - before, 1e-3) / self._cores
        return Load(others=max(0.0, min(1.0, others)), stalled=_stalled())

    def _now(self) -> tuple[float, float, float]:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return time.monotonic(), self._busy(), usage.ru_utime + usage.ru_stime

    def _busy(self) -> float:
        """Seconds of CPU, of all: user, nice, system, irq, softirq."""
        fields = [int(word) for word in _STAT.read_text().split("\n", 1)[0].split()[1:8]]
        return (sum(fields[:3]) + sum(fields[5:7])) * self._tick


def _stalled() -> float | None:
    try:
        first = _PRESSURE.read_text().split("\n", 1)[0]
        return float(first.split("avg10=")[1].split()[0])
    except (OSError, IndexError, ValueError):
        return None
