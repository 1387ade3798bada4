"""The one retry loop of agents and operators."""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from rehost.errors import Error

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Exponential with full jitter: the n-th wait is random within 0 and base * 2^n, capped."""

    base_s: float = 1
    cap_s: float = 60
    attempts: int | None = None  # None: for ever

    def delay(self, failures: int, retry_after_s: float | None = None) -> float:
        window = min(self.cap_s, self.base_s * 2 ** min(failures, 32))
        # Jitter on top of what the service asked for: or all callers come back in one moment.
        return (retry_after_s or 0) + random.uniform(0, window)  # noqa: S311 - no secret


def retry(
    attempt: Callable[[], T],
    *,
    backoff: Backoff,
    wait: Callable[[float], object] = time.sleep,
    on_failure: Callable[[Error], object] = lambda _: None,
) -> T:
    """Call `attempt` until it succeeds; what is not retryable, or fails too often, is raised.

    `on_failure` hears of each failure that is retried, before the wait.
    """
    failures = 0
    while True:
        try:
            return attempt()
        except Error as e:
            failures += 1
            if not e.retryable or failures == backoff.attempts:
                raise
            on_failure(e)
            delay = backoff.delay(failures, getattr(e, "retry_after_s", None))
            log.debug("failed %d times, again in %.1f s: %s", failures, delay, e)
        wait(delay)
