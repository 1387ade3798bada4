"""Slows down guessing of passwords, by this process's memory."""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from rehost.errors import TooManyRequests

# Failures that cost nothing, for one user from one address, for one user, and for one address.
# A user is slowed late, and where it has logged in before only by what fails there: else anybody
# could lock anybody out.
FREE_PAIR, FREE_USER, FREE_ADDRESS = 5, 50, 30
LONGEST_S = 60
FORGIVEN_S = 30  # a failure; so a slowed guesser gets two guesses a minute for good
KEPT = 10_000


@dataclass(slots=True)
class _Failures:
    count: float
    last: float


class Throttle:
    """Counts failed log-ins. Any thread may use it."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: OrderedDict[tuple[str, ...], _Failures] = OrderedDict()
        self._at_home: OrderedDict[tuple[str, str], None] = OrderedDict()

    def attempt(self, user: str, address: str) -> None:
        """Count an attempt as failed, before it is known: many at once must not slip through.

        Raises TooManyRequests, and does not count, if an earlier failure was too short ago.
        """
        now = self._clock()
        with self._lock:
            limits = self._limits(user, address)
            if (wait := max(self._wait(key, free, now) for key, free in limits)) > 0:
                raise TooManyRequests(
                    f"too many failed log-ins; try again in {wait} seconds", retry_after_s=wait
                )
            for key, _ in limits:
                self._count(key, now)

    def succeeded(self, user: str, address: str) -> None:
        """Take back what `attempt` counted, and forgive this user at this address.

        From now on it is at home there: what others do does not slow it.
        """
        with self._lock:
            (pair, _), *others = self._limits(user, address)
            self._failures.pop(pair, None)
            for key, _ in others:
                if known := self._failures.get(key):
                    known.count -= 1
            self._at_home[user, address] = None
            self._at_home.move_to_end((user, address))
            if len(self._at_home) > KEPT:
                self._at_home.popitem(last=False)

    def _limits(self, user: str, address: str) -> tuple[tuple[tuple[str, ...], int], ...]:
        pair = (("pair", user, address), FREE_PAIR)
        if (user, address) in self._at_home:
            return (pair,)
        return (pair, (("user", user), FREE_USER), (("address", address), FREE_ADDRESS))

    def _wait(self, key: tuple[str, ...], free: int, now: float) -> int:
        known = self._failures.get(key)
        if known is None or known.count < free:
            return 0
        pause = min(math.pow(2, min(known.count - free, 10)), LONGEST_S)
        return math.ceil(known.last + pause - now)

    def _count(self, key: tuple[str, ...], now: float) -> None:
        known = self._failures.pop(key, _Failures(0, now))
        left = max(0.0, known.count - (now - known.last) / FORGIVEN_S)
        self._failures[key] = _Failures(left + 1, now)
        if len(self._failures) > KEPT:
            self._failures.popitem(last=False)
