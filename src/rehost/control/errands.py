"""What takes a runner long, done beside it: converting a target, waiting until it is up.

An errand may be cut off anywhere, by the end of the process too: it must be safe to do again. What
it gives counts only once its runner has taken it and noted it, under its lease.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

T = TypeVar("T")
Stopped = Callable[[], bool]
Work = Callable[[Stopped], T]


class ErrandStopped(Exception):
    """What an errand raises that was told to stop; what came of it is lost, and this as well."""


def insist(stopped: Stopped) -> None:
    """Raise ErrandStopped if so: another may have begun what would be harmed."""
    if stopped():
        raise ErrandStopped


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """What came of an errand."""

    value: T


@dataclass(eq=False)
class _Errand:
    thread: threading.Thread
    stopping: threading.Event = field(default_factory=threading.Event)
    value: object = None
    error: BaseException | None = None


class Errands:
    """Of one runner, and for its thread alone. `wake` is called whenever one has ended.

    Once the runner `is_cut_off`, all are told to stop: others may do the same by now.
    """

    def __init__(
        self,
        wake: Callable[[], None] = lambda: None,
        is_cut_off: Callable[[], bool] = lambda: False,
    ) -> None:
        self._wake = wake
        self._is_cut_off = is_cut_off
        self._running: dict[tuple[str, str], _Errand] = {}

    def turn(self, owner: str, name: str, work: Work[T]) -> Done[T] | None:
        """What came of the errand, once; None while it is under way: ask again.

        The first call begins it. Raises what it raised. `work` is told whether it is to stop; what
        one gave that was told so is lost, and it is begun again once that has ended.
        """
        key = owner, name
        errand = self._running.get(key)
        if errand is not None and errand.stopping.is_set() and not errand.thread.is_alive():
            errand = None
        if errand is None:
            self._running[key] = self._begin(f"{name} {owner}", work)
            return None
        if errand.thread.is_alive():
            return None
        del self._running[key]
        if errand.error is not None:
            raise errand.error
        return Done(cast(T, errand.value))

    def stop(self, owner: str) -> bool:
        """Have all of an owner's errands end; returns whether they have. What they give is lost."""
        for key in [key for key in self._running if key[0] == owner]:
            errand = self._running[key]
            errand.stopping.set()
            if not errand.thread.is_alive():
                del self._running[key]
        return all(key[0] != owner for key in self._running)

    def under_way(self, name: str) -> frozenset[str]:
        """The owners of errands of this name that run."""
        return frozenset(
            owner
            for (owner, each), errand in self._running.items()
            if each == name and errand.thread.is_alive()
        )

    def close(self, *, patience_s: float) -> frozenset[str]:
        """Have all errands end, and wait so long for all of them; returns whose run on."""
        for errand in self._running.values():
            errand.stopping.set()
        deadline = time.monotonic() + patience_s
        for errand in self._running.values():
            errand.thread.join(max(0.0, deadline - time.monotonic()))
        return frozenset(
            owner for (owner, _), errand in self._running.items() if errand.thread.is_alive()
        )

    def _begin(self, name: str, work: Work[T]) -> _Errand:
        def stopped() -> bool:
            if self._is_cut_off():
                # For good: should the runner come back, it is begun again.
                errand.stopping.set()
            return errand.stopping.is_set()

        def run() -> None:
            try:
                errand.value = work(stopped)
            except Exception as e:
                errand.error = e
            self._wake()

        errand = _Errand(threading.Thread(target=run, name=name, daemon=True))
        errand.thread.start()
        return errand
