"""Walks tasks through their phases: what control does of them, in one thread of each process.

Beside the operations' transactions, nothing else writes the state of a task. It may be killed
anywhere: each phase can be done again, and is noted as done in one transaction that insists on
this runner's lease. Whoever holds the lease has the task's receiver as its child.
"""

import functools
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rehost.contract.transfer import ReceivedDisk, TransferDisk
from rehost.control import launching, starting, targets, tasks, trials
from rehost.control.clock import now_ms
from rehost.control.errands import Errands
from rehost.control.launching import Launching
from rehost.control.left_overs import LeftOvers
from rehost.control.node import Presence
from rehost.control.receivers import Receivers
from rehost.control.starting import Starts
from rehost.control.store import leases, sources
from rehost.control.store import tasks as table
from rehost.control.store.database import Database
from rehost.control.task_record import Task, failure
from rehost.control.trying import Trials
from rehost.errors import DatabaseUnavailable, Error, Internal
from rehost.model.task import MOVING_STATES, TaskState
from rehost.providers.base import KnowsHost, Power, Provider, TargetServer
from rehost.stages.launch import Probe
from rehost.stages.task import FINISHED, News

log = logging.getLogger(__name__)

TICK_S = 0.5  # between looks at tasks that another process may have changed
LEASE_S = 20.0
RENEW_S = 5.0
LONGEST_S = 60.0  # between tries of what may heal by itself
BOOT_S = 900.0  # for a target to come up; emulated on a busy host it takes minutes
END_S = 30.0  # for errands to end with the service; then they end with its process


@dataclass(kw_only=True)
class _Retry:
    failures: int = 0
    at: float = 0.0


class Runner:
    """Of one process. `wake` it when a task was changed, or it looks a moment later."""

    def __init__(
        self,
        database: Database,
        provider: Provider,
        receivers: Receivers,
        *,
        data: Path,
        probe: Probe | None = None,
    ) -> None:
        """`probe` is how targets are asked whether they are up, where tasks do not say."""
        self._database = database
        self._provider = provider
        self._receivers = receivers
        self._presence = Presence(data)
        self._holder = self._presence.holder
        self._wake = threading.Event()
        self._errands = Errands(self._wake.set, self._is_cut_off)
        self._launching = Launching(provider, self._errands, data / "launches", limit_s=BOOT_S)
        self._starts = Starts(provider, self._launching, probe, change=self._change)
        self._left = LeftOvers(provider, self._errands, self._launching, data / "logs")
        self._trials = Trials(provider, self._errands, self._launching, probe)
        self._retries: dict[str, _Retry] = {}
        self._held: frozenset[str] = frozenset()
        self._looked_at: Task | None = None  # what is done now was begun of it
        self._renewed = 0.0
        self._said = ""
        self._stopping = threading.Event()
        self._retry_now = self._host_is_known = False
        self._thread = threading.Thread(target=self._run, name="runner", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._retry_now = True
        self._wake.set()

    def close(self) -> None:
        """End the thread and its receivers; another runner goes on with their tasks."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def turn(self) -> None:
        """One look at everything; may be called by tests, without the thread."""
        self._keep_leases()
        with self._database.read() as db:
            work = leases.work(db, self._holder, now=now_ms())
            left = leases.left_over(db, self._holder, now=now_ms())
        for task_id in work:
            self._keep_leases()  # each may take a while
            try:
                self._guarded(task_id, functools.partial(self._drive, task_id), self._failed)
            except DatabaseUnavailable:
                raise
            except Exception:
                # Whatever is wrong with it, the others go on.
                log.exception("task %s cannot even be failed", task_id)
        for discard in left:
            self._keep_leases()
            step = functools.partial(self._tidy, discard)
            self._guarded(discard.task_id, step, self._later)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    self.turn()
                    self._said = ""
                except DatabaseUnavailable as e:
                    self._say_once(f"tasks wait: {e}")
                except Exception:
                    # The outermost loop of this thread: other tasks go on.
                    log.exception("cannot look after tasks")
                if self._wake.wait(TICK_S):
                    self._wake.clear()
                    self._hurry()
        finally:
            self._leave()

    def _hurry(self) -> None:
        """After a change by somebody else: what waits to be tried again is tried now."""
        if self._retry_now:
            self._retry_now = False
            for retry in self._retries.values():
                retry.at = 0.0

    def _say_once(self, text: str) -> None:
        """Until something else is to be said, or all is well."""
        if text != self._said:
            self._said = text
            log.warning("%s", text)

    def _leave(self) -> None:
        busy = self._end_errands()
        self._receivers.close()
        try:
            with self._database.write() as db:
                leases.lapse(db, (self._holder.owner,), but=busy)
        except Error as e:
            log.warning("another process waits a moment for this one's tasks: %s", e)
        if not busy:
            self._presence.leave()

    def _end_errands(self) -> frozenset[str]:
        """Have them end; the tasks whose do not, which are left when this process has ended."""
        deadline = time.monotonic() + END_S
        while busy := self._errands.close(patience_s=RENEW_S):
            if time.monotonic() > deadline:
                break
            with suppress(Error):
                self._keep_leases()
        return frozenset(owner.partition("/")[0] for owner in busy)

    def _keep_leases(self) -> None:
        """Say that this runner lives, hear whose did not; let go of what another one took."""
        now = time.monotonic()
        if now - self._renewed < RENEW_S and self._renewed:
            return
        dead = tuple(self._presence.dead())
        if not self._held and not dead and not self._left.are_removed:
            self._renewed = now
            return
        before = self._held
        with self._database.write() as db:
            leases.renew(db, self._holder, until=_until())
            if dead:
                leases.lapse(db, dead)
            self._held = leases.held(db, self._holder)
        self._renewed = now
        for owner in dead:
            self._presence.bury(owner)
        for task_id in self._receivers.tasks - self._held:
            self._receivers.stop(task_id)
        for task_id in before - self._held:
            self._stop_errands(task_id)

    def _is_cut_off(self) -> bool:
        """Whether this runner could not renew its leases for so long that others have them."""
        return time.monotonic() - self._renewed > LEASE_S

    def _guarded(
        self, task_id: str, step: Callable[[], None], failed: Callable[[str, Exception], None]
    ) -> None:
        """Do a step, or note why it failed; what may heal is tried again, more and more rarely."""
        retry = self._retries.get(task_id)
        if retry is not None and time.monotonic() < retry.at:
            return
        try:
            step()
        except DatabaseUnavailable:
            raise
        except Error as e:
            if e.retryable:
                self._later(task_id, e)
            else:
                failed(task_id, e)
        except Exception as e:
            log.exception("task %s: a step failed", task_id)
            failed(task_id, e)
        else:
            self._retries.pop(task_id, None)

    def _later(self, task_id: str, error: Exception) -> None:
        retry = self._retries.setdefault(task_id, _Retry())
        retry.failures += 1
        retry.at = time.monotonic() + min(LONGEST_S, 2.0**retry.failures)
        if retry.failures == 1:
            log.warning("task %s waits: %s", task_id, error)
        self._change(task_id, lambda task: _explained(task, str(error)))

    def _failed(self, task_id: str, error: Exception) -> None:
        """Fail the task; one that rests already has what is to be tidied up tried again."""
        known = error if isinstance(error, Error) else Internal(f"task {task_id}")
        with self._database.write() as db:
            task = table.get(db, task_id)
            if task is None or not leases.is_held(db, task_id, self._holder):
                return
            if task.state in MOVING_STATES:
                self._retries.pop(task_id, None)
                read = self._looked_at
                if read is not None and read.id == task_id and not tasks.is_same_step(task, read):
                    return
                log.error("task %s failed: %s", task_id, error)
                tasks.hear(db, task, News.TARGET_FAILED, error=failure(known))
                return
        self._later(task_id, known)

    def _drive(self, task_id: str) -> None:
        """Do what is to be done now, of one task; most of them wait for their agents."""
        if task_id not in self._held and not self._take(task_id):
            return
        while True:
            with self._database.read() as db:
                task = table.get(db, task_id)
                source = task and sources.get(db, task.source_id)
                is_held = leases.is_held(db, task_id, self._holder)
            if task is None or source is None or not is_held:
                # It was deleted, or another runner has it: what is noted would not be kept.
                self._receivers.stop(task_id)
                self._stop_errands(task_id)
                self._held -= {task_id}
                return
            self._looked_at = task
            if change := self._trials.turn(task, source):
                self._change(task_id, change)
                continue
            if not self._stepped(task, source):
                return

    def _take(self, task_id: str) -> bool:
        with self._database.write() as db:
            taken = leases.take(db, task_id, self._holder, now=now_ms(), until=_until())
        if taken:
            self._held |= {task_id}
            log.info("task %s: this process goes on with it", task_id)
        return taken

    def _stepped(self, task: Task, source: Any) -> bool:  # noqa: ANN401 - a row
        """Whether something was done, so that the next thing may be possible."""
        if task.state is TaskState.ABORTING:
            if not source.connected:
                self._hear(task.id, News.AGENT_GONE)
                return True
            return False
        if task.state not in MOVING_STATES:
            return self._rest(task)
        phase = tasks.next_phase(task)
        if phase is None:
            self._hear(task.id, News.MIGRATED if task.state is TaskState.RUNNING else News.SYNCED)
            return True
        if tasks.is_agents(task, phase):
            self._look_at_host()
            if self._starts.is_bare(task, hard=False) and self._starts.is_off(task):
                self._open(task, source)
            return False
        return self._do(task, source, phase)

    def _look_at_host(self) -> None:
        """Have found out what machines run on here before anybody waits for one to start."""
        if self._host_is_known or not isinstance(self._provider, KnowsHost):
            return
        self._host_is_known = True
        provider = self._provider
        self._errands.turn("host", "look at", lambda _: provider.is_accelerated())

    def _do(self, task: Task, source: Any, phase: str) -> bool:  # noqa: ANN401 - a row
        """Do a phase of control's, and note it; False if it takes longer than this look."""
        began = now_ms()
        if phase == "CREATE_CLOUD_SERVER":
            if not self._create(task, source):
                return True
        elif phase == "ATTACH_AGENT_IMAGE":
            if not self._open(task, source):
                return False
        elif phase.startswith("FORMAT_DISK"):
            self._insist_on_disks(task, source)
        elif phase.startswith("CONFIGURE") or phase == "DETTACH_AGENT_IMAGE":
            return self._start(task, source, phase)
        self._change(task.id, lambda t: _done(t, task, phase, began=began))
        return True

    def _create(self, task: Task, source: Any) -> bool:  # noqa: ANN401 - a row
        """Have the target made; False if something else had to be noted first."""
        if targets.has_system(task, source):
            self._launching.insist_on_tools(*targets.conversion(task, source))
        with self._database.read() as db:
            spec = targets.wanted(db, task, source)
        if task.node is None:
            # However far it gets: what there is of it is here, and only we can remove it.
            self._change(task.id, lambda t: replace(t, node=self._holder.node))
            return False
        try:
            server = self._provider.create(spec)
        except Error:
            if self._provider.power(task.id) is Power.GONE:
                # Nothing of it is here: another machine may make it.
                self._change(task.id, lambda t: replace(t, node=None))
            raise
        self._change(task.id, lambda t: replace(t, server=server))
        return True

    def _start(self, task: Task, source: Any, phase: str) -> bool:  # noqa: ANN401 - a row
        # Before anybody looks at the disks, all that was received must be on them.
        if not self._close(task):
            return False
        if phase.startswith("CONFIGURE"):
            return self._starts.prepared(task, source, phase)
        return self._starts.started(task, source, phase)

    def _insist_on_disks(self, task: Task, source: Any) -> None:  # noqa: ANN401 - a row
        targets.insist_on_sizes(_server(task), source)

    def _open(self, task: Task, source: Any) -> bool:  # noqa: ANN401 - a row
        """Have the task's receiver listen; returns whether it does."""
        server = _server(task)
        disks = task.run.disks or targets.transfer(server, source)
        received = tuple(
            ReceivedDisk(id=d.id, name=d.name, size=d.size, path=server.disks[d.id].path.absolute())
            for d in disks
        )
        port = self._receivers.port(task.id, task.run.number, received)
        if port != task.receiver_port or disks != task.run.disks:
            self._change(task.id, lambda t: _listening(t, task, port, disks))
        return port is not None

    def _close(self, task: Task) -> bool:
        """Have the task's receiver end; returns whether it has."""
        ended = self._receivers.stop(task.id)
        if task.receiver_port is not None:
            self._change(task.id, lambda t: replace(t, receiver_port=None))
        return ended

    def _rest(self, task: Task) -> bool:
        """Let go of it until somebody acts on it; True if it has changed, and is to be looked at.

        It is only let go of as it was read: what was asked for meanwhile would wait for ever.
        """
        if not self._close(task):
            return False
        if task.state not in FINISHED and not self._starts.is_bare(task, hard=True):
            return False
        if not trials.is_settled(task) or not self._stop_errands(task.id):
            return False
        with self._database.write() as db:
            if table.get(db, task.id) != task or not leases.is_held(db, task.id, self._holder):
                return True
            tasks.save(db, task, replace(task, active=False, run=replace(task.run, disks=())))
            leases.release(db, task.id, self._holder)
        self._held -= {task.id}
        return False

    def _tidy(self, discard: leases.Discard) -> None:
        """Remove what a deleted task left."""
        task_id = discard.task_id
        if not self._left.have_room(task_id):
            return
        with self._database.write() as db:
            if not leases.take_discard(db, task_id, self._holder, now=now_ms(), until=_until()):
                return
        if not self._receivers.stop(task_id) or not self._stop_errands(task_id):
            return
        if not self._left.is_gone(discard):
            return
        self._receivers.remove(task_id)
        with self._database.write() as db:
            leases.forget(db, task_id)

    def _stop_errands(self, task_id: str) -> bool:
        """Have all errands of a task end; returns whether they have."""
        own, test = starting.owner(task_id), trials.owner(task_id)
        owners = (own, launching.taking_down(own), test, trials.clearing(task_id))
        ended = [self._errands.stop(owner) for owner in owners]
        return all(ended)

    def _hear(self, task_id: str, news: News) -> None:
        with self._database.write() as db:
            task = table.get(db, task_id)
            if task is not None and leases.is_held(db, task_id, self._holder):
                heard = tasks.hear(db, task, news)
                log.info("task %s: %s, now %s", task_id, news, heard.state)

    def _change(self, task_id: str, change: Callable[[Task], Task]) -> None:
        """Change a task that this runner still holds and that is still on its way."""
        with self._database.write() as db:
            task = table.get(db, task_id)
            if task is not None and leases.is_held(db, task_id, self._holder):
                tasks.save(db, task, change(task))


def _done(now: Task, task: Task, phase: str, *, began: int) -> Task:
    return tasks.done(now, phase, began=began) if tasks.is_same_step(now, task) else now


def _listening(now: Task, task: Task, port: int | None, disks: tuple[TransferDisk, ...]) -> Task:
    """The task whose receiver listens there, unless it was begun anew meanwhile."""
    if now.run.number != task.run.number:
        return now
    return replace(now, receiver_port=port, run=replace(now.run, disks=disks))


def _explained(task: Task, said: str) -> Task:
    """The task with what its phase waits for."""
    name = tasks.next_phase(task)
    if name is None:
        return task
    phase = replace(task.run.phase(name), process_trace=said)
    return replace(task, run=task.run.with_phase(phase))


def _server(task: Task) -> TargetServer:
    assert task.server is not None  # noqa: S101 - its phases are done in order
    return task.server


def _until() -> int:
    return now_ms() + int(LEASE_S * 1000)
