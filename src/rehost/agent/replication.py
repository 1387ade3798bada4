"""Copying this machine's disks for a task: what the agent does between START and its result.

The work is done by a child process, agent/sender.py. This looks after it: it asks the service where
to send to, starts the child, passes on limits and progress, starts it again where that can help,
and in the end has the result of the command.
"""

import json
import logging
import os
import sys
import time
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import rehost
from rehost.agent import network_check
from rehost.agent.commands import failed, result
from rehost.agent.comparisons import Comparisons
from rehost.agent.configuration import wishes
from rehost.agent.network_check import Way
from rehost.agent.points import Points
from rehost.agent.progress import NOTHING_YET, progress_body
from rehost.agent.usage import Usage
from rehost.contract import agent_api, packages
from rehost.contract.agent_api import Command, CommandResult, Result
from rehost.contract.client import Client
from rehost.contract.codec import encode
from rehost.contract.retry import Backoff
from rehost.contract.transfer import Transfer
from rehost.errors import ApiError, Error, ServiceUnreachable, StateNotWritable
from rehost.model.speed import limit_at
from rehost.stream_errors import DiskNotReported, PeerNotTrusted, SenderDied, SenderFailed
from rehost.system.child import Child

log = logging.getLogger(__name__)

REPORT_S = 1.0  # and asked for the limit, which is to act within 2 s
STEADY_S = 5.0  # of copying, until its speed says something about the network
ASK_S = 1.0  # between questions whether the target is ready
TRUST_TRIES = 6  # with a new certificate each, in about a minute
FORGIVEN_S = 60.0  # of copying, after which earlier failures do not count
MBIT = 1_000_000 / 8
PROGRAM = "rehost.agent.sender"
SYNC = "SYNC"

Disks = Callable[[], Collection[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A command that is being carried out; `failures` in a row, and when to try again."""

    command: Command
    task_id: str
    failures: int = 0
    next_at: float = 0.0


class Replication:
    """At most one task's at a time. For the agent's one thread; never waits for the service."""

    def __init__(
        self, client: Client, disks: Disks, *, backoff: Backoff | None = None, state: Path
    ) -> None:
        """`disks` are the paths that may be read: those that this machine has reported."""
        self._client = client
        self._disks = disks
        self._state = state
        self._backoff = backoff or Backoff(base_s=1, cap_s=60)
        self._work: Work | None = None
        self._child: Child | None = None
        self._transfer: Transfer | None = None
        self._told: dict[str, Any] = {}  # what the child said last, by kind
        self._comparisons = Comparisons(client)
        self._points: Points | None = None
        self._usage: Usage | None = None
        self._way: Way | None = None  # measured, and to be told with the speed that is reached
        self._limit: float | None = None
        self._report_at = self._began = 0.0

    @property
    def is_active(self) -> bool:
        return self._work is not None

    @property
    def command_id(self) -> int:
        """Of what is carried out; 0 for nothing, or where the service gave it no id."""
        text = str(self._work.command.parameters.get("command_id", "")) if self._work else ""
        return int(text) if text.isdecimal() else 0

    def begin(self, command: Command) -> None:
        """Carry out START or SYNC; its result comes from `turn`. Supersedes an earlier one.

        What is being carried out already may be handed out again, as the service cannot know.
        SYNC for a task that is kept in step tells that one to come to its end; whether both ends
        are compared before comes with it, so that it cannot be late.
        """
        work = Work(command=command, task_id=str(command.parameters.get("task_id", "")))
        before = self._work
        if before is not None and before.command == command:
            return
        if before and before.task_id == work.task_id and command.name == SYNC and self._child:
            verify = bool(command.parameters.get("verify"))
            self._child.tell(json.dumps({"finish": True, "verify": verify}))
        else:
            self.stop()
        self._work = work

    def skip(self, task_id: str) -> None:
        """Leave out the comparison of both ends that is under way, or the next one of this task.

        Without effect where it is not carried out. A child that is yet to be started knows it.
        """
        if self._work is None or self._work.task_id != task_id:
            return
        self.listen()  # so that what it said of an earlier one is not taken for this one's
        self._told["skip"] = True
        if self._child is not None:
            self._child.tell(json.dumps({"skip": True}))

    def stop(self) -> None:
        """End what runs; what has arrived stays, and becomes durable. May be called again."""
        self._end_child()
        self._comparisons.forget()
        self._work, self._told = None, {}

    def listen(self) -> None:
        """Take in what the child said; while the service is away for days, it is not to pile up."""
        if self._child is not None:
            for line in self._child.said():
                said = json.loads(line)
                self._told |= said
                if "verified" in said:
                    self._comparisons.add(said["verified"])

    def turn(self) -> CommandResult | None:
        """Do what is due; call about every second. The result once there is one."""
        if self._work is None:
            return None
        try:
            if self._child is not None:
                return self._look_after(self._work, self._child)
            if time.monotonic() < self._work.next_at:
                return None
            if "result" in self._told:
                return self._finish(self._work)
            self._try_to_begin(self._work)
            return None
        except Error as e:
            return self._failed(self._work, e)

    def _try_to_begin(self, work: Work) -> None:
        try:
            transfer = agent_api.transfer(self._client, work.task_id)
        except ApiError as e:
            if e.code != agent_api.TARGET_NOT_READY:
                raise
            self._work = replace(work, next_at=time.monotonic() + ASK_S)
            return
        self._begin(work, transfer)

    def _begin(self, work: Work, transfer: Transfer) -> None:
        strange = [d.name for d in transfer.disks if d.name not in self._disks()]
        if strange:
            raise DiskNotReported(
                f"the task is about {', '.join(strange)}, which this machine has not reported as "
                "its disks; nothing of it is read"
            )
        if transfer.network_check:
            self._way = network_check.measure(transfer.host, transfer.port, ipv6=transfer.ipv6)
        wanted = agent_api.configuration(self._client, work.task_id)
        self._limit = self._current_limit(work)
        self._transfer, self._told = transfer, {"skip": self._told.get("skip", False)}
        self._points = Points(self._client, transfer)
        # The agent's executable has this program in itself, and ignores PYTHONPATH.
        program = Path(rehost.__file__).parents[1]
        self._child = Child(
            [sys.executable, "-m", PROGRAM, *map(str, self._packages(program))],
            environ={**os.environ, "PYTHONPATH": str(program)},
        )
        self._child.tell(json.dumps(self._job(work.command, transfer, wanted)))
        self._usage = Usage(self._child.pid)
        self._began = time.monotonic()
        log.info("copying for task %s to %s port %d", work.task_id, transfer.host, transfer.port)

    def _packages(self, program: Path) -> Iterator[Path]:
        """The folder of packages that came with this program, if it is one file."""
        try:
            if zipfile.is_zipfile(program) and (unpacked := packages.unpack(program, self._state)):
                yield unpacked
        except OSError as e:
            raise StateNotWritable(
                f"cannot unpack what copying needs in {self._state}: {e.strerror}"
            ) from e

    def _job(
        self, command: Command, transfer: Transfer, wanted: Mapping[str, str]
    ) -> dict[str, Any]:
        wished = wishes(wanted, sync=command.name == SYNC)
        return {
            "task_id": transfer.task_id,
            **self._peer(transfer),
            "disks": [{"id": d.id, "name": d.name, "path": d.name} for d in transfer.disks],
            "limit": self._limit,
            # SYNC is for one synchronization, which ends.
            "syncing": transfer.syncing and command.name != SYNC,
            "verify": True,
            "skip": self._told["skip"],
            "hooks": str(self._state / "hooks.toml"),
            **wished,
            "options": {"priority": transfer.priority, **wished["options"]},
        }

    def _peer(self, transfer: Transfer) -> dict[str, Any]:
        tls = agent_api.certificates(self._client, transfer.task_id) if transfer.tls else None
        own = None if tls is None else encode(tls)
        where = {"host": transfer.host, "port": transfer.port, "ipv6": transfer.ipv6}
        return where | {"tls": own}

    def _look_after(self, work: Work, child: Child) -> CommandResult | None:
        status = child.status
        self.listen()
        if status is None:
            if time.monotonic() >= self._report_at:
                self._report_at = time.monotonic() + REPORT_S
                self._exchange(work, child)
                self._follow_receiver(work)
            if work.failures and time.monotonic() - self._began > FORGIVEN_S:
                self._work = replace(work, failures=0)
            return None
        child.end()  # its pipe would stay open
        self._child = None
        return self._ended(work, status)

    def _ended(self, work: Work, status: int) -> CommandResult | None:
        if "result" in self._told:
            return self._finish(work)
        error = self._told.get("error")
        if error is None:  # it was killed, or ran out of memory: what it sent is there
            raise SenderDied(f"the process that copies ended with status {status}")
        raise SenderFailed(error["code"], error["message"], retryable=error["retryable"])

    def _finish(self, work: Work) -> CommandResult:
        """Raises what may heal: then it is called again, for all has been copied."""
        try:
            self._report(work, is_last=True)
            if self._points is not None and (cut := self._told["result"].get("cut")):
                self._points.report_cut(cut)
            self._comparisons.tell(work.task_id)
        except Error as e:
            if e.retryable:
                raise
            log.warning("the service does not take how the copying ended: %s", e)
        self._work, self._told = None, {}
        return result(work.command, Result.SUCCESS, {})

    def _exchange(self, work: Work, child: Child) -> None:
        """Tell the service how far it is, and the child what it may do. The copying goes on
        whatever comes of it."""
        try:
            self._report(work)
            limit = self._current_limit(work)
            if limit != self._limit:
                self._limit = limit
                child.tell(json.dumps({"limit": limit}))
            self._comparisons.tell(work.task_id)
            if self._points is not None:
                self._points.exchange(child.tell, self._told)
        except Error as e:
            log.debug("the service was not told how far the copying is: %s", e)

    def _follow_receiver(self, work: Work) -> None:
        """After a restart of the service its receiver may be at another port; and another address
        of it may have been set.

        Raises ApiError where there is none any more, for the task was stopped without this agent.
        """
        if not (self._told.get("progress") or {}).get("trouble"):
            return
        try:
            self._move(work, agent_api.transfer(self._client, work.task_id))
        except ApiError as e:
            if e.code in agent_api.TASK_ENDED:
                raise
            log.debug("it is not known where the receiver is: %s", e)
        except ServiceUnreachable as e:
            log.debug("it is not known where the receiver is: %s", e)

    def _move(self, work: Work, now: Transfer) -> None:
        before = self._transfer and _without_points(self._transfer)
        if before is None or _without_points(now) == before:
            return
        if replace(_without_points(now), port=before.port) == before and self._child:
            self._child.tell(json.dumps({"peer": self._peer(now)}))
            self._transfer = now
            log.info("the receiver of task %s is at port %d now", work.task_id, now.port)
        else:
            self._end_child()
            self._begin(work, now)

    def _report(self, work: Work, *, is_last: bool = False) -> None:
        if "progress" in self._told:
            figures = self._usage.figures() if self._usage else {}
            body = progress_body(work.command.name, self._told) | figures
            if is_last or time.monotonic() - self._began >= STEADY_S:
                self._tell_way(work, body)
            agent_api.report_progress(self._client, work.task_id, body)

    def _tell_way(self, work: Work, figures: Mapping[str, Any]) -> None:
        if self._way is None or self._usage is None:
            return
        told = network_check.body(
            self._way,
            speed=figures["migrate_speed"],
            cpu=figures.get("total_cpu_usage", 0.0),
            memory=self._usage.memory_share(),
        )
        agent_api.report_network_check(self._client, work.task_id, told)
        self._way = None

    def _current_limit(self, work: Work) -> float | None:
        now = time.localtime()
        rows = agent_api.speed_limits(self._client, work.task_id)
        limit = limit_at(rows, now.tm_hour * 60 + now.tm_min)
        return limit * MBIT if limit else None

    def _failed(self, work: Work, e: Error) -> CommandResult | None:
        self._end_child()
        if e.retryable or _is_perhaps_old(work, e):
            failures = work.failures + 1
            delay = self._backoff.delay(failures)
            log.warning("%s; copying goes on in %.0f s", e, delay)
            self._work = replace(work, failures=failures, next_at=time.monotonic() + delay)
            if "result" not in self._told:
                self._tell_trouble(work, e)
            return None
        log.error("task %s: %s (%s)", work.task_id, e, e.code)
        self._work = None
        return failed(work.command, e.code, str(e))

    def _tell_trouble(self, work: Work, e: Error) -> None:
        """Who looks at the task is to see why nothing moves."""
        progress = self._told.get("progress") or NOTHING_YET
        self._told["progress"] = {**progress, "trouble": str(e), "wire_rate": 0.0}
        try:
            self._report(work)
        except Error:
            log.debug("the service was not told why the copying waits")

    def _end_child(self) -> None:
        if self._child is not None:
            self._child.tell(json.dumps({"stop": True}))
            self._child.end()
            self._child = None


def _is_perhaps_old(work: Work, e: Error) -> bool:
    """Whether both ends may trust each other the next time, when this one has a new certificate:
    one is good for one run and a week, and a port may have been another task's meanwhile."""
    return e.code == PeerNotTrusted.code and work.failures < TRUST_TRIES


def _without_points(transfer: Transfer) -> Transfer:
    return replace(transfer, point=0, taken=0)
