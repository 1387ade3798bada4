"""Moments of the source that the target holds, all of it: consistent points, and the last one."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from rehost.cutover_errors import ChangesLost, FreezeEnded, FreezeFailed
from rehost.stages import cutover
from rehost.stages.cutover import Hook
from rehost.stages.replicate.sync import PAUSE_S, Sync
from rehost.system import file_systems
from rehost.system.niceness import like_others

log = logging.getLogger(__name__)

TRIES = 5  # each leaves less for the next
AGAIN_S = 10.0  # after another program had frozen a filesystem; a backup may take long


class Cuts:
    """Of one source: its block devices, and the administrator's programs."""

    def __init__(
        self, disks: Sequence[str], hooks: Sequence[Hook], sync: Sync, wait: Callable[[float], None]
    ) -> None:
        """`wait` raises when all is to end."""
        self._disks = disks
        self._hooks = hooks
        self._sync = sync
        self._wait = wait

    def take(self) -> dict[str, Any]:
        """Have the copy be the source at one moment, durably; what was held, as job.py has it.

        Raises StreamError, and what cutover_errors.py has: OF_ONE_CUT may go well another time.
        """
        self._sync.settle()
        if not self._disks and not self._hooks:
            return self._take_unfrozen()
        for tries_left in reversed(range(TRIES)):
            try:
                return self._take_frozen()
            except (FreezeEnded, ChangesLost, FreezeFailed) as e:
                if not tries_left:
                    raise
                log.warning("%s; trying again after another pass", e)
                if isinstance(e, FreezeFailed):
                    self._wait(PAUSE_S)
            self._sync.settle()
        raise AssertionError  # the last try raises, or returns

    def take_last(self, waits: Callable[[str], None]) -> dict[str, Any]:
        """The same, however long another program keeps a filesystem frozen; `waits` is told why.

        Meanwhile the copy is kept in step.
        """
        while True:
            try:
                return self.take()
            except FreezeFailed as e:
                log.warning("%s; trying again in %g s", e, AGAIN_S)
                waits(str(e))
                again_at = time.monotonic() + AGAIN_S
                self._sync.keep(lambda: time.monotonic() >= again_at, self._wait)  # noqa: B023
                waits("")

    def _take_unfrozen(self) -> dict[str, Any]:
        """Nothing is mounted from image files: freezing would freeze nothing."""
        stood = _now()
        self._sync.one_pass()
        return stood | {"frozen": [], "skipped": [], "duration_s": 0.0, "failed_hooks": []}

    def _take_frozen(self) -> dict[str, Any]:
        # Where nothing is mounted, nobody waits.
        limit_s = cutover.LIMIT_S if file_systems.on_disks(self._disks) else math.inf
        try:
            with like_others():
                cut = cutover.cut(
                    self._disks,
                    self._hold,
                    before=partial(self._sync.prepare_last, limit_s),
                    hooks=self._hooks,
                )
        except BaseException:
            self._sync.give_up_last()
            raise
        self._sync.send_last()
        return cut.value | {
            "frozen": list(cut.frozen),
            "skipped": [[s.path, s.reason] for s in cut.skipped],
            "duration_s": cut.duration_s,
            "failed_hooks": list(cut.failed_hooks),
        }

    def _hold(self) -> dict[str, Any]:
        """When it was that all stood still."""
        stood = _now()
        self._sync.hold_last()
        return stood


def _now() -> dict[str, Any]:
    return {"moment": time.time(), "stood_at": time.monotonic()}
