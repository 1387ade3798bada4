"""What may be changed while a transfer runs, from any thread: pause, stop, limit, receiver, and
what is wanted of one that keeps its target in step."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rehost.stream_errors import TransferStopped

if TYPE_CHECKING:
    from rehost.stages.replicate.link import Peer

_SLICE_S = 0.05  # of a limited rate, is sent at once
_SAVED_S = 0.4  # that nothing could be sent for is made up for: 4 % of ten seconds
_LEAST = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """`finish`: come to an end; `verify`: but compare both ends once more before. `skip`: leave out
    the comparison that is under way, or the next one. `point`: how many consistent points were
    asked for so far, and `taken`: up to which they are done with."""

    finish: bool = False
    verify: bool = False
    skip: bool = False
    point: int = 0
    taken: int = 0


class Control:
    def __init__(self, *, limit: float | None = None) -> None:
        """`limit` is bytes per second on the wire; None is none."""
        self._changed = threading.Condition()
        self._limit = limit
        self._paused = False
        self._stopped = False
        self._hurried = False
        self._moved_to: Peer | None = None
        self._orders = Orders()
        self._tokens = 0.0
        self._filled_at = time.monotonic()

    @property
    def limit(self) -> float | None:
        """What holds now."""
        return None if self._hurried else self._limit

    @property
    def is_paused(self) -> bool:
        return self._paused

    def set_limit(self, limit: float | None) -> None:
        with self._changed:
            self._fill()
            self._limit = limit
            self._changed.notify_all()

    def pause(self) -> None:
        with self._changed:
            self._paused = True

    def resume(self) -> None:
        with self._changed:
            self._paused = False
            self._changed.notify_all()

    @contextmanager
    def hurried(self) -> Iterator[None]:
        """Within, neither limit nor pause holds anything up: others wait for what is sent.

        What is set meanwhile holds afterwards.
        """
        self._set_hurried(True)
        try:
            yield
        finally:
            self._set_hurried(False)

    @property
    def moved_to(self) -> "Peer | None":
        return self._moved_to

    def move(self, peer: "Peer") -> None:
        """The receiver is there now. Who waits to connect again does so at once."""
        with self._changed:
            self._moved_to = peer
            self._changed.notify_all()

    @property
    def orders(self) -> Orders:
        return self._orders

    def finish(self, *, verify: bool = False) -> None:
        """From now on somebody waits for it: courtesy ends, limits stay."""
        self._order(lambda orders: replace(orders, finish=True, verify=verify))

    def skip(self) -> None:
        """Who compares ends soon; who does not, will not the next time."""
        self._order(lambda orders: replace(orders, skip=True))

    def take_skip(self) -> bool:
        """Whether that was wanted; it is done then."""
        with self._changed:
            wanted = self._orders.skip
            self._orders = replace(self._orders, skip=False)
        return wanted

    def ask_for_point(self, number: int) -> None:
        """Number `number`, and so all before it. Who waits looks at once."""
        self._order(lambda orders: replace(orders, point=max(number, orders.point)))

    def have_taken(self, number: int) -> None:
        """What was held up to this point is done with."""
        self._order(lambda orders: replace(orders, taken=max(number, orders.taken)))

    def stop(self) -> None:
        """For good."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def gate(self) -> None:
        """Return when another piece may be sent. Raises TransferStopped."""
        if self._is_held or self._stopped:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or not self._is_held)
                if self._stopped:
                    raise TransferStopped("the transfer was stopped")

    def wait(self, seconds: float) -> None:
        """Shorter if the receiver moves, or something else is wanted. Raises TransferStopped as
        soon as that is so."""
        with self._changed:
            before = self._moved_to, self._orders
            self._changed.wait_for(
                lambda: self._stopped or (self._moved_to, self._orders) != before,
                max(0.0, seconds),
            )
            if self._stopped:
                raise TransferStopped("the transfer was stopped")

    def take(self, wanted: int) -> int:
        """How many of `wanted` bytes may be sent now; waits until it is some.

        Once stopped there is no limit: what was begun is finished.
        """
        with self._changed:
            while self._limit is not None and not self._stopped and not self._hurried:
                self._fill()
                size = min(wanted, max(_LEAST, int(self._limit * _SLICE_S)))
                if self._tokens >= size:
                    self._tokens -= size
                    return size
                self._changed.wait((size - self._tokens) / max(self._limit, 1))
        return wanted

    @property
    def _is_held(self) -> bool:
        return self._paused and not self._hurried

    def _order(self, change: Callable[[Orders], Orders]) -> None:
        with self._changed:
            self._orders = change(self._orders)
            self._changed.notify_all()

    def _set_hurried(self, value: bool) -> None:
        with self._changed:
            self._fill()
            self._hurried = value
            self._changed.notify_all()

    def _fill(self) -> None:
        now = time.monotonic()
        if self._limit is not None:
            most = max(2 * _LEAST, self._limit * _SAVED_S)
            self._tokens = min(most, self._tokens + (now - self._filled_at) * self._limit)
        self._filled_at = now
