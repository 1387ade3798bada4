"""One task's disks from the first block to the cut: tracked, copied, verified, frozen, finished."""

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from rehost.contract.codec import encode
from rehost.cutover_errors import ChangesLost, FreezeEnded
from rehost.stages import cutover
from rehost.stages.replicate.job import Job
from rehost.stages.replicate.sender import Sender
from rehost.stages.replicate.source import Source
from rehost.stages.replicate.sync import Sync, follow_disks
from rehost.stages.replicate.track import Tracking, track
from rehost.storage.used.disk import used_ranges
from rehost.system import file_systems
from rehost.system.niceness import set_niceness

log = logging.getLogger(__name__)

CUTS = 5  # how often it is tried: each leaves less for the next
Say = Callable[[str, object], None]
Sources = Mapping[int, Source]


class Copying:
    """`say` takes a kind and its value; `finish` tells one that keeps in step to come to an end."""

    def __init__(
        self, job: Job, sender: Sender, sources: Sources, say: Say, finish: threading.Event
    ) -> None:
        self._job = job
        self._sender = sender
        self._sources = sources
        self._say = say
        self._finish = finish

    def run(self) -> dict[str, Any]:
        """The result, as JSON. Raises StreamError, and what cutover_errors.py has."""
        # First: what is wrong with the hooks must show before everything is copied.
        hooks = cutover.load_hooks(self._job.hooks) if self._job.hooks else ()
        self._say("phase", "copying")
        with _tracking(self._sources) as tracking:
            self._tell_trackers(tracking)
            follow = follow_disks(self._sources, tracking)
            sync = Sync(self._sender, self._sources, follow, lambda path: used_ranges(str(path)))
            with self._telling(sync):
                sync.first_pass()
                sync.settle()
                differed = sync.verify() if self._job.verify else None
                if self._job.syncing:
                    self._say("phase", "syncing")
                    sync.keep(self._finish.is_set, self._sender.control.wait)
                cut = self._cut(sync, hooks)
        verified = None if differed is None else {"differed": encode(differed)}
        return {"verified": verified, "cut": cut}

    def _cut(self, sync: Sync, hooks: tuple[cutover.Hook, ...]) -> dict[str, Any]:
        disks = [str(source.path) for source in self._sources.values() if source.is_device]
        if not disks and not hooks:
            # Nothing is mounted from image files: freezing would freeze nothing.
            sync.settle()
            return {
                "moment": time.time(),
                "frozen": [],
                "skipped": [],
                "duration_s": 0.0,
                "failed_hooks": [],
            }
        for attempt in range(1, CUTS + 1):
            sync.settle()
            # Where nothing is mounted, nobody waits.
            limit_s = cutover.LIMIT_S if file_systems.on_disks(disks) else math.inf
            try:
                with _first_of_all():
                    cut = cutover.cut(
                        disks,
                        partial(_hold, sync),
                        before=partial(sync.prepare_last, limit_s),
                        hooks=hooks,
                    )
            except (FreezeEnded, ChangesLost) as e:
                sync.give_up_last()
                if attempt == CUTS:
                    raise
                log.warning("%s; trying again after another pass", e)
                continue
            sync.send_last()
            return {
                "moment": cut.value,
                "frozen": list(cut.frozen),
                "skipped": [[s.path, s.reason] for s in cut.skipped],
                "duration_s": cut.duration_s,
                "failed_hooks": list(cut.failed_hooks),
            }
        raise AssertionError  # the last attempt raises, or returns

    def _tell_trackers(self, tracking: Tracking | None) -> None:
        choices = tracking.choices if tracking else {}
        self._say(
            "trackers",
            {disk: {"tracker": c.tracker, "reason": c.reason} for disk, c in choices.items()},
        )

    @contextmanager
    def _telling(self, sync: Sync) -> Iterator[None]:
        done = threading.Event()

        def tell() -> None:
            while not done.wait(0.5):
                self._say("standing", encode(sync.standing()))

        teller = threading.Thread(target=tell, daemon=True)
        teller.start()
        try:
            yield
        finally:
            done.set()
            teller.join()


def _hold(sync: Sync) -> float:
    """When it was that all stood still."""
    moment = time.time()
    sync.hold_last()
    return moment


@contextmanager
def _tracking(sources: Sources) -> Iterator[Tracking | None]:
    """None where there are image files alone."""
    disks = [str(source.path) for source in sources.values() if source.is_device]
    tracking = track(disks) if disks else None
    try:
        yield tracking
    finally:
        if tracking:
            tracking.close()


@contextmanager
def _first_of_all() -> Iterator[None]:
    """While the machine waits for this process, it is as important as any other."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    set_niceness(0)
    try:
        yield
    finally:
        set_niceness(before)
