"""What deleted tasks left: their targets, copies of them, and files about them."""

from pathlib import Path

from rehost.control import trials
from rehost.control.errands import Errands, Stopped, insist
from rehost.control.launching import Launching
from rehost.control.store.leases import Discard
from rehost.providers.base import Provider


class LeftOvers:
    """For one runner's thread. `logs` is where the logs of tasks' agents are."""

    def __init__(
        self, provider: Provider, errands: Errands, launching: Launching, logs: Path
    ) -> None:
        self._provider = provider
        self._errands = errands
        self._launching = launching
        self._logs = logs

    def is_gone(self, discard: Discard) -> bool:
        """Whether what a task left is gone; see to it, and ask again until it is."""
        task_id = discard.task_id
        # Beside this thread: to free large images may take longer than a lease.
        done = self._errands.turn(task_id, "delete", lambda stopped: self._delete(discard, stopped))
        if done is None:
            return False
        self._launching.forget(task_id)
        (self._logs / f"{task_id}.log").unlink(missing_ok=True)
        return True

    def _delete(self, discard: Discard, stopped: Stopped) -> None:
        insist(stopped)
        self._provider.delete(trials.clone_id(discard.task_id))
        if discard.server_id is None:
            return
        if discard.kept:
            self._launching.down(discard.server_id, stopped, hard=True)
        else:
            self._provider.delete(discard.server_id)
