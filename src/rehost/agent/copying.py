"""One task's disks from the first block to the cut: tracked, copied, verified, frozen, finished."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from rehost.agent.cuts import Cuts
from rehost.contract.codec import encode
from rehost.cutover_errors import OF_ONE_CUT
from rehost.stages import cutover
from rehost.stages.replicate.job import Job
from rehost.stages.replicate.sender import Sender
from rehost.stages.replicate.source import Source
from rehost.stages.replicate.sync import PAUSE_S, Sync, Verified, follow_disks
from rehost.stages.replicate.track import Tracking, track
from rehost.storage.used.disk import used_ranges
from rehost.system.niceness import like_others

log = logging.getLogger(__name__)

Say = Callable[[str, object], None]
Sources = Mapping[int, Source]


class Copying:
    """`say` takes a kind and its value. What is wanted of it is in the sender's `control`."""

    def __init__(self, job: Job, sender: Sender, sources: Sources, say: Say) -> None:
        self._job = job
        self._sender = sender
        self._control = sender.control
        self._sources = sources
        self._say = say
        self._reached = 0  # the point that was held, or could not be had

    def run(self) -> dict[str, Any]:
        """The result, as JSON. Raises StreamError, and what cutover_errors.py has."""
        # First: what is wrong with the hooks must show before everything is copied.
        hooks = cutover.load_hooks(self._job.hooks) if self._job.hooks else ()
        self._say("phase", "copying")
        with _tracking(self._sources) as tracking:
            self._tell_trackers(tracking)
            follow = follow_disks(self._sources, tracking)
            sync = Sync(self._sender, self._sources, follow, lambda path: used_ranges(str(path)))
            cuts = Cuts(_devices(self._sources), hooks, sync, self._control.wait)
            with self._telling(sync):
                sync.first_pass()
                sync.settle()
                if self._job.verify:
                    self._compare(sync)
                if self._job.syncing:
                    self._say("phase", "syncing")
                    self._keep_in_step(sync, cuts)
                self._control.finish()
                with like_others():
                    cut = cuts.take_last(partial(self._say, "waits"))
        return {"cut": cut}

    def _compare(self, sync: Sync) -> None:
        """Say what of the copy was not the source's, unless that is skipped; it is sent again."""
        self._say("comparing", True)
        found = None if self._control.orders.skip else sync.verify()
        self._say("comparing", False)
        if self._control.take_skip() or found is None:
            log.info("a comparison was skipped, as was asked for")
            self._say("skip", False)
        else:
            self._say("verified", self._told_of(found))

    def _told_of(self, found: Verified) -> list[dict[str, Any]]:
        return [
            {
                "name": self._sources[disk].name,
                "compared": size,
                "differed": encode(found.differed.get(disk, ())),
                "unreadable": encode(self._sources[disk].unreadable),
            }
            for disk, size in found.compared.items()
        ]

    def _keep_in_step(self, sync: Sync, cuts: Cuts) -> None:
        """Until it is told to finish; with a halt at each point that is asked for.

        Where it was in step for a while, it is compared again if that is wanted.
        """
        if self._control.orders.finish:
            return
        while not self._control.orders.finish:
            sync.keep(self._is_wanted, self._control.wait)
            if not self._control.orders.finish:
                self._halt(sync, cuts, self._control.orders.point)
        if self._control.orders.verify:
            self._compare(sync)

    def _is_wanted(self) -> bool:
        orders = self._control.orders
        return orders.finish or orders.point > max(orders.taken, self._reached)

    def _halt(self, sync: Sync, cuts: Cuts, number: int) -> None:
        """Have the copy be the source at one moment, and leave it so until that is taken."""
        self._reached = number
        try:
            cut = cuts.take()
        except OF_ONE_CUT as e:
            log.warning("point %d cannot be had: %s", number, e)
            self._say("point", {"number": number, "error_code": e.code, "error_msg": str(e)})
            return
        self._say("holds", number)
        self._say("point", {"number": number, **cut})
        while not self._control.orders.finish and self._control.orders.taken < number:
            self._control.wait(PAUSE_S)
            sync.watch()
        self._say("holds", None)

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


def _devices(sources: Sources) -> list[str]:
    return [str(source.path) for source in sources.values() if source.is_device]


@contextmanager
def _tracking(sources: Sources) -> Iterator[Tracking | None]:
    """None where there are image files alone."""
    disks = _devices(sources)
    tracking = track(disks) if disks else None
    try:
        yield tracking
    finally:
        if tracking:
            tracking.close()
