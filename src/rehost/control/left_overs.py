"""What deleted tasks left: their targets, copies of them, and files about them."""

from pathlib import Path

from rehost.control import trials
from rehost.control.errands import Errands, Stopped, insist
from rehost.control.launching import Launching
from rehost.control.store.leases import Discard
from rehost.providers.base import Provider

AT_ONCE = 20
DELETE = "delete"


class LeftOvers:
    """For one runner's thread. `logs` is where the logs of tasks' agents are."""

    def __init__(
        self, provider: Provider, errands: Errands, launching: Launching, logs: Path
    ) -> None:
        self._provider = provider
        self._errands = errands
        self._launching = launching
        self._logs = logs

    @property
    def are_removed(self) -> bool:
        """Whether anything is being removed just now."""
        return bool(self._errands.under_way(DELETE))

    def have_room(self, task_id: str) -> bool:
        """Whether that of this task can be removed, too; each takes a thread."""
        under_way = self._errands.under_way(DELETE)
        return task_id in under_way or len(under_way) < AT_ONCE

    def is_gone(self, discard: Discard) -> bool:
        """Whether what a task left is gone; see to it, and ask again until it is."""
        task_id = discard.task_id
        # Beside this thread: to free large images may take longer than a lease.
        done = self._errands.turn(task_id, DELETE, lambda stopped: self._delete(discard, stopped))
        if done is None:
            return False
        self._launching.forget(task_id)
        (self._logs / f"{task_id}.log").unlink(missing_ok=True)
        return True

    def _delete(self, discard: Discard, stopped: Stopped) -> None:
        insist(stopped)
        self._provider.delete(trials.clone_id(discard.task_id))
        if discard.kept_server_id is not None:
            self._launching.down(discard.kept_server_id, stopped, hard=True)
        if discard.server_id is not None:
            self._provider.delete(discard.server_id)
