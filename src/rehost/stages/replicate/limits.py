"""How much of the source's disks and CPUs an operator lets a transfer have."""

import threading
import time
from collections.abc import Callable

_SAVED_S = 0.25  # of what was not used is made up for; not more, or a pause would end in a burst


class Pace:
    """So much a second, for all threads together."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._lock = threading.Lock()
        self._due = clock()

    def wait_s(self, amount: float) -> float:
        """How long to wait now that `amount` is used; 0 or less is not at all."""
        with self._lock:
            now = self._clock()
            self._due = max(self._due, now - _SAVED_S) + amount / self._rate
            return self._due - now


class Limits:
    """For all lanes of a transfer; None is no limit."""

    def __init__(
        self,
        *,
        read_rate: float | None,
        cpus: float | None,
        wait: Callable[[float], None],
        clock: Callable[[], float] = time.monotonic,
        cpu_time: Callable[[], float] = time.process_time,
    ) -> None:
        """`read_rate`: bytes a second; `cpus`: of how many this process may use the time."""
        self._reads = Pace(read_rate, clock) if read_rate else None
        self._cpu = Pace(cpus, clock) if cpus else None
        self._wait = wait
        self._cpu_time = cpu_time
        self._lock = threading.Lock()
        self._used = cpu_time()
        self._enabled = True

    def enable(self, wanted: bool) -> None:
        """From the next read on."""
        self._enabled = wanted

    def before_read(self, size: int) -> None:
        """Return when so many bytes may be read. Raises what `wait` raises."""
        if not self._enabled:
            return
        delay = self._reads.wait_s(size) if self._reads else 0.0
        if self._cpu:
            delay = max(delay, self._cpu.wait_s(self._used_since()))
        if delay > 0:
            self._wait(delay)

    def _used_since(self) -> float:
        with self._lock:
            before, self._used = self._used, self._cpu_time()
            return self._used - before
