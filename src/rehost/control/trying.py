"""Walks test launches from an operator's wish to their verdicts, for a runner.

One that fails never fails its task: that is kept in step whatever becomes of it.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rehost.control import targets, trials
from rehost.control.errands import Errands, Stopped, insist
from rehost.control.launching import Launching
from rehost.control.task_record import Launch, LaunchState, Point, Task, failure
from rehost.control.trials import clearing, clone_id, noted, owner
from rehost.errors import DatabaseUnavailable, Error, Internal
from rehost.model.task import TaskState
from rehost.providers.base import CanClone, MachineSize, Provider, TargetServer
from rehost.stages.launch import Probe
from rehost.stages.task import FINISHED
from rehost.task_errors import CannotClone, CloneOutdated, PointFailed, TrialCutOff

log = logging.getLogger(__name__)

AGENT_AWAY = "the source's agent is not connected"


class Trials:
    """Of one runner, and for its thread alone."""

    def __init__(
        self, provider: Provider, errands: Errands, launching: Launching, probe: Probe | None
    ) -> None:
        """`probe` is how copies are asked whether they are up, where tasks do not say."""
        self._provider = provider
        self._probe = probe
        self._errands = errands
        self._launching = launching

    def turn(self, task: Task, source: Any) -> Callable[[Task], Task] | None:  # noqa: ANN401 - a row
        """What is to be noted of a task's trial; None if nothing has come of it yet."""
        trial = task.trial
        if trial is None or trials.is_settled(task):
            return None
        try:
            after = self._next(task, source, trial)
        except DatabaseUnavailable:
            raise
        except Exception as e:
            if not isinstance(e, Error):
                log.exception("task %s: its test launch failed", task.id)
            log.warning("task %s: its test launch failed: %s", task.id, e)
            after = _failed(task, trial, e)
        if after is trial:
            return None
        return lambda now: noted(now, after) if now.trial == trial else now

    def _next(self, task: Task, source: Any, trial: Launch) -> Launch | None:  # noqa: ANN401
        """The trial one step further, the same if it waits; None once it is thrown away."""
        match trial.state:
            case LaunchState.WANTED:
                return self._held(task, source, trial)
            case LaunchState.CLONING:
                done = self._errands.turn(
                    owner(task.id), "clone", lambda stopped: self._cloned(task, stopped)
                )
                if done is None:
                    return trial
                return replace(trial, state=LaunchState.STARTING, server=done.value)
            case LaunchState.CLEARING:
                return None if self._is_gone(task) else trial
            case LaunchState.FAILED:
                # Its copy takes space that the target itself may need.
                gone = replace(trial, stands=False, server=None)
                return gone if self._is_gone(task) else trial
        return self._started(task, source, trial) or trial

    def _held(self, task: Task, source: Any, trial: Launch) -> Launch:  # noqa: ANN401 - a row
        """Once the target is what its source was at one moment, and stays so."""
        earlier = [self._errands.stop(each) for each in (owner(task.id), clearing(task.id))]
        if not all(earlier):
            return trial  # one was cut off, or is being thrown away
        if task.state in FINISHED:
            cut_at = task.launch.cut_at if task.launch else None
            return replace(trial, state=LaunchState.CLONING, cut_at=cut_at, why="")
        if task.state is not TaskState.SYNCING:
            raise TrialCutOff
        point = task.run.point(trial.point)
        if point is None:
            why = "" if source.connected else AGENT_AWAY
            return trial if trial.why == why else replace(trial, why=why)
        if point.error_code:
            raise PointFailed(point.error_code, point.error_msg)
        return replace(trial, state=LaunchState.CLONING, cut_at=point.at, why="")

    def _cloned(self, task: Task, stopped: Stopped) -> TargetServer:
        if not isinstance(self._provider, CanClone):
            raise CannotClone(self._provider.name)
        assert task.server is not None  # noqa: S101 - it is being kept in step
        self._thrown_away(task, stopped)
        assert task.trial is not None  # noqa: S101 - it is what this is done for
        size = MachineSize(cpus=task.trial.cpus, memory=task.trial.memory)
        clone = self._provider.clone(task.server.id, clone_id(task.id), size=size, stopped=stopped)
        point = task.run.point(task.trial.point)
        if task.state is TaskState.SYNCING and point and _is_written_since(task.server, point):
            raise CloneOutdated
        return clone

    def _started(self, task: Task, source: Any, trial: Launch) -> Launch | None:  # noqa: ANN401
        if trial.is_prepared:
            probe = targets.probe(task, self._probe)
            return self._launching.start(owner(task.id), trial, probe)
        wanted = targets.conversion(task, source)
        return self._launching.prepare(owner(task.id), trial, *wanted)

    def _is_gone(self, task: Task) -> bool:
        """Whether there is no copy any more; see to it."""
        if not self._errands.stop(owner(task.id)):
            return False
        done = self._errands.turn(
            clearing(task.id), "clear", lambda stopped: self._thrown_away(task, stopped)
        )
        return done is not None

    def _thrown_away(self, task: Task, stopped: Stopped) -> None:
        insist(stopped)
        self._provider.delete(clone_id(task.id))


def _failed(task: Task, trial: Launch, error: Exception) -> Launch:
    if trial.state is LaunchState.FAILED:
        # That it failed is known; its copy, which cannot be thrown away now, goes with the next.
        return replace(trial, stands=False)
    known = error if isinstance(error, Error) else Internal(f"test launch of task {task.id}")
    return replace(trial, state=LaunchState.FAILED, error=failure(known), why="")


def _is_written_since(server: TargetServer, point: Point) -> bool:
    """Whether a disk was written after the agent said that it holds still: it was started again."""
    latest = max(disk.path.stat().st_mtime_ns for disk in server.disks)
    return latest > point.told_at * 1_000_000
