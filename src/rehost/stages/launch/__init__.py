"""Did the server come up? Its serial console says so, or one of its services answers.

A system that says nothing on the console (no `console=ttyS0`) and is not reached stays UNKNOWN,
which is no verdict against it.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from rehost.errors import Error
from rehost.providers.base import CanReach, HasConsole, KnowsTrouble, Power
from rehost.stages.launch.console import Outcome, Verdict, judge
from rehost.stages.launch.probe import SSH, Probe, answers, parse

__all__ = ["Outcome", "Probe", "Verdict", "judge", "parse", "watch"]

WINDOW = 256 << 10  # bytes of console that are judged
EVERY_S = 1.0
PROBE_EVERY_S = 3.0


class Watched(HasConsole, Protocol):
    """What of a provider is needed to watch a server come up; CanReach and KnowsTrouble help."""

    def power(self, server_id: str) -> Power: ...


def watch(
    provider: Watched,
    server_id: str,
    *,
    limit_s: float,
    settle_s: float = 5.0,
    probe: Probe | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Verdict:
    """Wait until a server that was started is up, has failed, or `limit_s` is over.

    It is up once the console says so or SSH answers. With a `probe`, that alone makes it up, and
    one that does not answer in time is a failure. Up or failed is believed once it has held for
    `settle_s`: what the console says last counts. One that is held up, as by a full disk of its
    host, has failed, whatever it said before. `stopped` ends the wait.
    """
    service = _Service(provider=provider, server_id=server_id, probe=probe or SSH)
    health = _Health(provider=provider, server_id=server_id)
    began = since = time.monotonic()
    said, heard, verdict = b"", judge(""), judge("")
    while True:
        now = time.monotonic()
        if (news := provider.console(server_id, last=WINDOW)) != said:
            said, heard = news, judge(news.decode(errors="replace"))
        new = _together(heard, service, is_wanted=probe is not None, now=now)
        if new.outcome is not verdict.outcome:
            since = now
        verdict = new
        is_settled = verdict.outcome is not Outcome.UNKNOWN and now - since >= settle_s
        is_over = now - began >= limit_s
        if trouble := health.trouble(now, must_know=is_settled or is_over):
            return _at(_failed(verdict, trouble), now - began)
        if is_settled:
            return _at(verdict, since - began)
        if provider.power(server_id) is not Power.ON:
            return _at(_failed(verdict, "it turned itself off"), now - began)
        if stopped():
            return _at(verdict, now - began)
        if is_over:
            return _at(_too_late(verdict, service, probe), now - began)
        time.sleep(EVERY_S)


@dataclass(kw_only=True)
class _Service:
    """Asked until it has answered once, not at each look; `trouble` is why it cannot be."""

    provider: Watched
    server_id: str
    probe: Probe
    answered: bool = False
    trouble: str = ""
    next_at: float = 0.0

    def answers(self, now: float) -> bool:
        if self.answered or now < self.next_at:
            return self.answered
        self.next_at = now + PROBE_EVERY_S
        if not isinstance(self.provider, CanReach):
            self.trouble = "this provider has no way to a server's ports"
            return False
        try:
            self.answered, self.trouble = answers(self.provider, self.server_id, self.probe), ""
        except Error as e:
            self.trouble = str(e)
        return self.answered


@dataclass(kw_only=True)
class _Health:
    """Asked now and then, and before there is a verdict."""

    provider: Watched
    server_id: str
    next_at: float = 0.0

    def trouble(self, now: float, *, must_know: bool) -> str:
        if not isinstance(self.provider, KnowsTrouble) or (now < self.next_at and not must_know):
            return ""
        self.next_at = now + PROBE_EVERY_S
        # It is off, or has no time to answer: that is judged elsewhere.
        with suppress(Error):
            return self.provider.trouble(self.server_id)
        return ""


def _together(heard: Verdict, service: _Service, *, is_wanted: bool, now: float) -> Verdict:
    """What the console says, and what the service does. A console that says failed wins."""
    if heard.outcome is Outcome.FAILED or (heard.outcome is Outcome.UP and not is_wanted):
        return heard
    if service.answers(now):
        port = service.probe.port
        why = f"it answers {service.probe}" if is_wanted else f"SSH answers at its port {port}"
        return replace(heard, outcome=Outcome.UP, why=why)
    return replace(heard, outcome=Outcome.UNKNOWN)


def _too_late(verdict: Verdict, service: _Service, probe: Probe | None) -> Verdict:
    if verdict.outcome is not Outcome.UNKNOWN or probe is None:
        return verdict
    if service.trouble:
        why = f"{probe} could not be asked ({service.trouble}); {verdict.why}"
        return replace(verdict, why=why)
    why = f"{probe} did not answer in time; {verdict.why}"
    return replace(verdict, outcome=Outcome.FAILED, why=why)


def _failed(verdict: Verdict, why: str) -> Verdict:
    if verdict.outcome is Outcome.FAILED:
        why = f"{why} after {verdict.why}"
    return replace(verdict, outcome=Outcome.FAILED, why=why)


def _at(verdict: Verdict, seconds: float) -> Verdict:
    return replace(verdict, seconds=round(seconds, 1))
