"""Starts servers and sees whether they come up: targets, and copies of them that are tried.

Whatever it does, it does on a layer over a server's disks. What those hold stays, so that each step
may be cut off and done again, and a start that fails costs nothing.
"""

import logging
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from rehost.control.clock import now_ms
from rehost.control.errands import Errands, Stopped, insist
from rehost.control.task_record import Launch, LaunchState
from rehost.convert_errors import ConversionStopped
from rehost.errors import Error
from rehost.model.server import Report
from rehost.provider_errors import NoSpaceForTarget
from rehost.providers import base
from rehost.providers.base import CanLayer, CanScreenshot, HasConsole, Power, Provider
from rehost.providers.folders import NO_SPACE
from rehost.stages import convert
from rehost.stages.launch import WINDOW, Outcome, Probe, Verdict, watch
from rehost.system.files import write_atomically

log = logging.getLogger(__name__)

CONSOLE = "console.log"
SCREENSHOT = "screenshot.png"
CONVERSION = "conversion.log"
NO_CONSOLE = "nothing can be said: what the target was made by does not show its console"
CONVERSIONS = 2  # at once: each runs a small machine of its own, with memory and a processor
PATIENCE_S = 0.5  # between looks at whether one that waits for its turn is to stop
UNCHANGED = "nothing was changed: it can start as it is"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """The verdict on a start, and when it was up."""

    verdict: Verdict
    up_at: int | None
    has_screenshot: bool


class Launching:
    """For one runner's thread. `folder` keeps what servers said and showed, by `owner`."""

    def __init__(
        self, provider: Provider, errands: Errands, folder: Path, *, limit_s: float
    ) -> None:
        """A server that is not up, and has not failed, within `limit_s` is let run."""
        self._provider = provider
        self._errands = errands
        self._folder = folder
        self._limit_s = limit_s
        self._turns = threading.Semaphore(CONVERSIONS)

    def insist_on_tools(self, report: Report, options: convert.Options) -> None:
        """What is missing to make a target start is said before days of copying, not after.

        Raises what convert.check raises.
        """
        if isinstance(self._provider, CanLayer):
            convert.check(convert.plan(report, options))

    def prepare(
        self, owner: str, launch: Launch, report: Report, options: convert.Options
    ) -> Launch | None:
        """The launch with its server made ready to start; None while that is under way.

        Raises what converting raises.
        """
        server = _server(launch)

        def work(stopped: Stopped) -> tuple[str, ...]:
            return self._prepared(owner, server, report, options, stopped)

        done = self._errands.turn(owner, "prepare", work)
        return None if done is None else replace(launch, is_prepared=True, changed=done.value)

    def start(self, owner: str, launch: Launch, probe: Probe | None) -> Launch | None:
        """The launch one step further, at last with its verdict; None while that is under way.

        Raises what starting a server raises.
        """
        server_id = _server(launch).id
        if launch.boot_at is None:
            begun = self._errands.turn(
                owner, "boot", lambda stopped: self._booted(server_id, stopped)
            )
            if begun is None:
                return None
            return replace(launch, boot_at=now_ms(), runs_on=begun.value.said)
        seen = self._errands.turn(
            owner, "watch", lambda stopped: self._watched(owner, server_id, probe, stopped)
        )
        return None if seen is None else _judged(launch, seen.value)

    @staticmethod
    def says(launch: Launch) -> str:
        """What is being done, for who waits for it."""
        if not launch.is_prepared:
            return "made ready to start on its new hardware"
        return "started; it is watched until it is up" if launch.boot_at else "about to start"

    def take_down(self, owner: str, launch: Launch, *, hard: bool) -> Launch | None:
        """The launch with its server off and its disks as they were; None while under way."""
        if not self._errands.stop(owner):
            return None
        server_id = _server(launch).id
        # An owner of its own: the errands of the start are stopped at each call.
        done = self._errands.turn(
            taking_down(owner), "down", lambda stopped: self.down(server_id, stopped, hard=hard)
        )
        return None if done is None else replace(launch, stands=False)

    def down(self, server_id: str, stopped: Stopped, *, hard: bool) -> None:
        """Turn a server off, and throw away what it wrote: an errand, see there."""
        insist(stopped)
        self._provider.stop(server_id, hard=hard)
        insist(stopped)
        if isinstance(self._provider, CanLayer):
            self._provider.drop_layer(server_id)

    def forget(self, task_id: str) -> None:
        """Delete what is kept of all starts of a task."""
        shutil.rmtree(self._folder / task_id, ignore_errors=True)

    def _prepared(
        self,
        owner: str,
        server: base.TargetServer,
        report: Report,
        options: convert.Options,
        stopped: Stopped,
    ) -> tuple[str, ...]:
        if not isinstance(self._provider, CanLayer):
            # What cannot be undone is not begun.
            return ()
        # What an attempt that was cut off left is in no known state; what runs was started by hand.
        self.down(server.id, stopped, hard=True)
        layered = self._provider.layer(server.id)
        plan = convert.plan(report, options)
        if plan.is_empty:
            return (UNCHANGED,)
        for reason in plan.reasons:
            log.info("%s: to be converted: %s", server.id, reason)
        with self._turn(stopped), _space_missed(self._folder):
            return convert.convert(
                layered.disks,
                plan,
                accelerated=_is_accelerated(self._provider),
                log=self._home(owner) / CONVERSION,
                stopped=stopped,
            )

    @contextmanager
    def _turn(self, stopped: Stopped) -> Iterator[None]:
        """One of the few that this host converts at once. Raises ConversionStopped."""
        while not self._turns.acquire(timeout=PATIENCE_S):
            if stopped():
                raise ConversionStopped
        try:
            yield
        finally:
            self._turns.release()

    def _booted(self, server_id: str, stopped: Stopped) -> base.Launch:
        """Whatever was noted: what starts here never writes to the disks themselves."""
        insist(stopped)
        if isinstance(self._provider, CanLayer):
            return self._provider.boot_layered(server_id)
        return self._provider.boot(server_id)

    def _watched(self, owner: str, server_id: str, probe: Probe | None, stopped: Stopped) -> _Seen:
        # Again: this host may have been turned off meanwhile.
        self._booted(server_id, stopped)
        if not isinstance(self._provider, HasConsole):
            verdict = Verdict(
                outcome=Outcome.UNKNOWN, why=NO_CONSOLE, last_lines=(), failed_units=()
            )
            return _Seen(verdict=verdict, up_at=None, has_screenshot=False)
        began = now_ms()
        verdict = watch(
            self._provider, server_id, limit_s=self._limit_s, probe=probe, stopped=stopped
        )
        self._keep(owner, CONSOLE, self._provider.console(server_id, last=WINDOW))
        return _Seen(
            verdict=verdict,
            up_at=began + int(verdict.seconds * 1000) if verdict.outcome is Outcome.UP else None,
            has_screenshot=self._photographed(owner, server_id),
        )

    def _photographed(self, owner: str, server_id: str) -> bool:
        with suppress(OSError):
            (self._folder / owner / SCREENSHOT).unlink(missing_ok=True)
        if (
            isinstance(self._provider, CanScreenshot)
            and self._provider.power(server_id) is Power.ON
        ):
            # It may have turned itself off, and a picture is no reason to fail.
            with suppress(Error):
                return self._keep(owner, SCREENSHOT, self._provider.screenshot(server_id))
        return False

    def _keep(self, owner: str, name: str, content: bytes) -> bool:
        """Whether it could be kept: a full disk is no reason to fail what is up."""
        file = self._folder / owner / name
        try:
            self._home(owner)
            write_atomically(file, content, mode=0o600)
        except OSError as e:
            log.warning("cannot keep %s: %s", file, e.strerror)
            with suppress(OSError):
                file.unlink(missing_ok=True)  # it is of an earlier start
            return False
        return True

    def _home(self, owner: str) -> Path:
        home = self._folder / owner
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        return home


def taking_down(owner: str) -> str:
    """Whose errand it is to take the owner's server down."""
    return f"{owner}/down"


@contextmanager
def _space_missed(folder: Path) -> Iterator[None]:
    """A full disk as what it is: once there is space, it is done again.

    `folder` is named where the error does not say what is full.
    """
    try:
        yield
    except OSError as e:
        if e.errno in NO_SPACE:
            raise NoSpaceForTarget(str(_full(e) or folder), e.strerror or str(e)) from e
        raise


def _full(e: OSError) -> Path | None:
    """The folder, where a folder or a file in it is named."""
    if not isinstance(e.filename, str):
        return None
    named = Path(e.filename)
    return named if named.is_dir() else named.parent


def _server(launch: Launch) -> base.TargetServer:
    assert launch.server is not None  # noqa: S101 - it has one once it starts
    return launch.server


def _judged(launch: Launch, seen: _Seen) -> Launch:
    verdict = seen.verdict
    return replace(
        launch,
        state=LaunchState.DONE,
        up_at=seen.up_at,
        outcome=verdict.outcome,
        why=verdict.why,
        last_lines=verdict.last_lines,
        failed_units=verdict.failed_units,
        has_screenshot=seen.has_screenshot,
    )


def _is_accelerated(provider: Provider) -> bool:
    return isinstance(provider, base.KnowsHost) and provider.is_accelerated()
