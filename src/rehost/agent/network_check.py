"""The way to a task's receiver, measured: what an operator asks for with `network_check`."""

import statistics
import time
from dataclasses import dataclass
from itertools import pairwise

from rehost.system.dialing import dial

TRIES = 10
PAUSE_S = 0.05
LIMIT_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Milliseconds that a connection takes, and percent of those that were not made."""

    delay_ms: float
    jitter_ms: float
    loss: float


def measure(host: str, port: int, *, ipv6: bool) -> Way:
    """By connections to the receiver itself: what firewalls do to others says nothing."""
    taken = [_connect(host, port, ipv6=ipv6) for _ in range(TRIES)]
    made = [ms for ms in taken if ms is not None]
    jitter = [abs(a - b) for a, b in pairwise(made)]
    return Way(
        delay_ms=round(statistics.median(made), 3) if made else 0.0,
        jitter_ms=round(statistics.fmean(jitter), 3) if jitter else 0.0,
        loss=100 * (TRIES - len(made)) / TRIES,
    )


def _connect(host: str, port: int, *, ipv6: bool) -> float | None:
    began = time.monotonic()
    try:
        with dial(host, port, LIMIT_S, ipv6=ipv6):
            return 1000 * (time.monotonic() - began)
    except OSError:
        return None
    finally:
        time.sleep(PAUSE_S)


def body(way: Way, *, speed: float, cpu: float, memory: float) -> dict[str, object]:
    """For POST /v3/{task_id}/update-network-check-info; `speed` is Mbit/s, reached by copying."""
    reached = way.loss < 100
    verdict = "good" if way.loss == 0 else f"{way.loss:.0f} % of the connections were not made"
    return {
        "destination_connectivity": reached,
        "network_delay": way.delay_ms,
        "network_jitter": way.jitter_ms,
        "migration_speed": round(speed, 2),
        "loss_percentage": way.loss,
        "cpu_usage": cpu,
        "mem_usage": memory,
        "evaluation_result": verdict if reached else "the receiver cannot be reached",
    }
