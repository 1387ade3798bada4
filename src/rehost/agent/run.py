"""The agent's loop: say what this machine is, ask for work, again and again."""

import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

import rehost
from rehost.agent.changes import Change, change, fingerprint
from rehost.agent.commands import Function, carry_out
from rehost.agent.replication import Replication
from rehost.agent.signals import Signals
from rehost.agent.state import State
from rehost.contract import agent_api
from rehost.contract.agent_api import Command, CommandResult
from rehost.contract.client import Client
from rehost.contract.credentials import Token
from rehost.contract.retry import Backoff, retry
from rehost.errors import ApiError, Error, HostError, OtherMachine, SourceExists, SourceGone
from rehost.model.identity import contradictions
from rehost.model.server import Identity, Report
from rehost.stages.discover import discover
from rehost.system import log as logs
from rehost.system.host import Host

log = logging.getLogger(__name__)

# In a row: a service that is just being restored must not lose its agents to one answer.
REFUSALS = 3
# With this much jitter, thousands of agents that started together soon poll spread out.
JITTER = 0.2
# While disks are copied: what an operator asks for, or a changed limit, must not wait for a poll.
BUSY_POLL_S = 2.0
BUSY_TURN_S = 0.5
BUSY_LONGEST_S = 10.0  # between tries to reach the service
GONE = (401, 404)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """`look_s` is between looks at the machine, `refresh_s` until all is reported regardless."""

    look_s: float = 600
    refresh_s: float = 3600
    backoff: Backoff = field(default_factory=Backoff)


class Agent:
    """One machine's. Writes nothing but its state file; reads the machine, asks the service."""

    def __init__(
        self, host: Host, state: State, signals: Signals, pace: Pace | None = None
    ) -> None:
        """Raises NotRegistered."""
        self._host = host
        self._state = state
        self._signals = signals
        self._pace = pace or Pace()
        self._enrolment = enrolment = state.load()
        self._client = Client(enrolment.service, Token(enrolment.token), enrolment.trust)
        self._poll_interval_s: float = agent_api.POLL_INTERVAL_S
        self._told: Report | None = None
        self._told_at = self._looked_at = -float("inf")
        self._seen = ""
        self._refusals = 0
        self._said: dict[str, str] = {}
        self._log = logs.keep_recent()
        self._replication = Replication(self._client, self._disks, state=state.folder)
        self._commands: Mapping[str, Function] = {
            "START": self._begin,
            "SYNC": self._begin,
            "STOP": self._stop,
            "UPLOAD_LOG": self._upload_log,
            "SKIP": self._skip,
        }

    def run(self) -> None:
        """Until a signal. Raises OtherMachine on a clone, SourceGone once the source is deleted."""
        with self._client:
            self._check_machine()
            while True:
                self._turn()
                self._pause()

    def _pause(self) -> None:
        """Until the next poll; what is being copied is looked after meanwhile."""
        if not self._replication.is_active:
            spread = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
            self._signals.wait(self._poll_interval_s * spread)
            return
        until = time.monotonic() + min(BUSY_POLL_S, self._poll_interval_s)
        while self._replication.is_active and time.monotonic() < until:
            if result := self._replication.turn():
                self._answer(result)
            self._signals.wait(min(BUSY_TURN_S, max(0.0, until - time.monotonic())))

    def _turn(self) -> None:
        if self._is_time_to_look() and (report := self._look()):
            self._tell(report)
        self._poll()

    def _check_machine(self) -> None:
        self._is_time_to_look()
        report = self._look()
        enrolment = self._enrolment
        present = report.facts.identity if report and report.facts else Identity()
        if others := contradictions(enrolment.identity, present):
            raise OtherMachine(enrolment.source_id, f"with other {' and '.join(others)}")
        if report:
            self._tell(report)

    def _is_time_to_look(self) -> bool:
        hangup = self._signals.take_hangup()
        seen, self._seen = self._seen, fingerprint(self._host)
        due = time.monotonic() - self._looked_at >= self._pace.look_s
        return due or hangup or seen != self._seen

    def _look(self) -> Report | None:
        self._looked_at = time.monotonic()
        try:
            report = discover(
                self._host, agent_version=rehost.__version__, images=self._enrolment.disks
            )
        except HostError as e:
            self._say("discovery", "failed", f"cannot look at this machine: {e}", logging.ERROR)
            return None
        self._said.pop("discovery", None)
        return report

    def _tell(self, report: Report) -> None:
        stale = time.monotonic() - self._told_at >= self._pace.refresh_s
        what = Change.FACTS if stale else change(self._told, report)
        if what is Change.DISKS:
            self._online("reporting disks", lambda: self._report_disks(report))
        elif what is Change.FACTS:
            self._online("reporting", lambda: self._report(report))
        self._online("reading the configuration", self._configure)

    def _report_disks(self, report: Report) -> None:
        agent_api.report_disks(self._client, self._enrolment.source_id, report)
        self._told = report
        log.info("the disks have changed, and the service was told")

    def _report(self, report: Report) -> None:
        """All that is known; the service takes it for the same source again."""
        enrolment = self._enrolment
        own = replace(report, id=enrolment.source_id, name=enrolment.name or report.name)
        try:
            agent_api.register(self._client, own)
        except ApiError as e:
            if e.code == SourceExists.code:  # the service knows more of this machine's past
                raise OtherMachine(enrolment.source_id, str(e)) from e
            raise
        self._told, self._told_at = report, time.monotonic()
        present = report.facts.identity if report.facts else Identity()
        identity = _merged(enrolment.identity, present)
        if identity != enrolment.identity:
            # Or disks that are exchanged one by one would make another machine in the end.
            self._enrolment = replace(enrolment, identity=identity)
            self._state.save(self._enrolment)

    def _configure(self) -> None:
        self._poll_interval_s = agent_api.poll_interval(self._client)

    def _poll(self) -> None:
        command = self._online("asking for work", self._next_command)
        if command and (result := carry_out(command, self._commands)):
            self._answer(result)

    def _answer(self, result: CommandResult) -> None:
        source_id = self._enrolment.source_id
        log.info("command %s: %s %s", result.command, result.result, dict(result.detail))
        self._online("answering", lambda: agent_api.report_result(self._client, source_id, result))

    def _begin(self, command: Command) -> None:
        self._replication.begin(command)

    def _stop(self, _: Command) -> Mapping[str, str]:
        self._replication.stop()
        return {}

    def _skip(self, command: Command) -> Mapping[str, str]:
        self._replication.skip(str(command.parameters.get("task_id", "")))
        return {}

    def _upload_log(self, command: Command) -> Mapping[str, str]:
        task_id = str(command.parameters.get("task_id", ""))
        agent_api.upload_log(self._client, task_id, self._log.content())
        return {}

    def _disks(self) -> frozenset[str]:
        report = self._told
        return frozenset(d.name for d in (report.disks if report else None) or () if d.name)

    def _next_command(self) -> agent_api.Command:
        try:
            command = agent_api.next_command(
                self._client,
                self._enrolment.source_id,
                carrying_out=self._replication.command_id,
            )
        except ApiError as e:
            self._refusals = self._refusals + 1 if e.status in GONE else 0
            if self._refusals == REFUSALS:
                raise SourceGone(self._client.base_url, str(e)) from e
            raise
        self._refusals = 0
        return command

    def _online(self, doing: str, step: Callable[[], T]) -> T | None:
        """Do `step` until it is done; what the service refuses for good is said, and left."""
        backoff = self._pace.backoff
        if self._replication.is_active:
            backoff = replace(backoff, cap_s=min(backoff.cap_s, BUSY_LONGEST_S))
        try:
            result = retry(
                step,
                backoff=backoff,
                wait=self._wait,
                on_failure=self._say_unreachable,
            )
        except ApiError as e:
            self._say_connected()
            text = f"{doing}: {e} ({e.code}, request {e.request_id or 'unknown'})"
            self._say(doing, e.code, text, logging.ERROR)
            return None
        self._say_connected()
        self._said.pop(doing, None)
        return result

    def _wait(self, seconds: float) -> None:
        self._replication.listen()
        self._signals.wait(seconds)

    def _say_connected(self) -> None:
        self._say("service", "there", f"connected to {self._client.base_url}", logging.INFO)

    def _say_unreachable(self, e: Error) -> None:
        self._say("service", "away", f"{e}; trying again until it answers", logging.WARNING)

    def _say(self, about: str, state: str, text: str, level: int) -> None:
        """Log `text` when `about` enters `state`, not while it stays in it."""
        if self._said.get(about) != state:
            self._said[about] = state
            log.log(level, "%s", text)


def _merged(stored: Identity, present: Identity) -> Identity:
    """What is known now, and what was known before where it is not."""
    return Identity(
        machine_id=present.machine_id or stored.machine_id,
        dmi_uuid=present.dmi_uuid or stored.dmi_uuid,
        disk_serials=present.disk_serials or stored.disk_serials,
    )
