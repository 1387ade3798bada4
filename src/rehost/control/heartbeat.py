"""Which agents are there: a poll is the heartbeat.

A poll costs a note in memory. The notes of a process are written together every few seconds, or
soon if an agent came that was marked as gone: ten thousand agents write little.
"""

import logging
import threading

from rehost.control.clock import now_ms
from rehost.control.store import sources
from rehost.control.store.database import Database

log = logging.getLogger(__name__)

FLUSH_S = 10
GATHER_S = 0.2  # between agents coming and their being marked: they come in crowds
POLLS_MISSED = 3


class Heartbeats:
    """The heartbeats that this process saw, and the thread that writes them."""

    def __init__(self, database: Database, *, poll_interval: int) -> None:
        self._database = database
        self._timeout_ms = (POLLS_MISSED * poll_interval + FLUSH_S) * 1000
        self._seen: dict[str, int] = {}
        self._came: set[str] = set()
        self._noting = threading.Lock()  # held for a dictionary access only
        self._flushing = threading.Lock()
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._started = now_ms()
        self._thread = threading.Thread(target=self._run, name="heartbeats", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Write what is noted, and end the thread."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        self.flush()

    def note(self, source_id: str, *, connected: bool) -> None:
        """The agent of this source has just been here; `connected` is what its row says."""
        with self._noting:
            self._seen[source_id] = now_ms()
            if not connected:
                self._came.add(source_id)
        if not connected:
            self._wake.set()

    def flush(self) -> None:
        """Write what was noted since the last time; keeps the notes if the database refuses."""
        with self._flushing:
            with self._noting:
                seen, self._seen = self._seen, {}
                came, self._came = self._came, set()
            try:
                if seen:
                    with self._database.write() as db:
                        sources.save_heartbeats(db, seen)
                        sources.connect(db, came, now=now_ms())
            except Exception:
                with self._noting:
                    self._seen = seen | self._seen
                    self._came |= came
                raise

    def sweep(self) -> None:
        """Mark as gone who was not heard of for three polls.

        Not before the service itself is as old as that: agents could not reach it while it was
        down, and are not gone for that.
        """
        now = now_ms()
        if now - self._started < self._timeout_ms:
            return
        since = now - self._timeout_ms
        with self._database.read() as db:
            if not sources.any_silent(db, since):
                return
        with self._database.write() as db:
            gone = sources.disconnect_silent(db, since, now=now)
        log.info("%d agents are gone: no poll for %d s", gone, self._timeout_ms // 1000)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(FLUSH_S)
            self._stop.wait(GATHER_S)
            self._wake.clear()
            try:
                self.flush()
                self.sweep()
            except Exception:
                # The outermost loop of this thread: a locked or full database heals or does not,
                # and polls must go on being answered meanwhile.
                log.exception("cannot write heartbeats")
