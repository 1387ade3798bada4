"""Walks a task's own target from the end of copying to a verdict on its start, for a runner."""

import functools
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rehost.control import targets, tasks
from rehost.control.clock import now_ms
from rehost.control.launching import Launching
from rehost.control.task_record import Launch, LaunchState, Task
from rehost.providers.base import Power, Provider
from rehost.stages.launch import Outcome, Probe
from rehost.task_errors import TargetNotUp

log = logging.getLogger(__name__)

Change = Callable[[Task], Task]


class Starts:
    """Of one runner, and for its thread alone. `change` notes something of a task, by its id."""

    def __init__(
        self,
        provider: Provider,
        launching: Launching,
        probe: Probe | None,
        *,
        change: Callable[[str, Change], None],
    ) -> None:
        """`probe` is how targets are asked whether they are up, where tasks do not say."""
        self._provider = provider
        self._launching = launching
        self._probe = probe
        self._change = change

    def prepared(self, task: Task, source: Any, phase: str) -> bool:  # noqa: ANN401 - a row
        """Make the target ready to start, and note it; False if that is still under way."""
        return self._launch(task, phase, functools.partial(self._prepared, task, source))

    def started(self, task: Task, source: Any, phase: str) -> bool:  # noqa: ANN401 - a row
        """Start it until there is a verdict, and note that; False if it is still under way.

        Raises TargetNotUp.
        """
        launch = task.launch
        if launch is not None and launch.stands and launch.outcome == Outcome.FAILED:
            raise TargetNotUp(launch.why, launch.last_lines)
        return self._launch(task, phase, functools.partial(self._started, task, source))

    def is_bare(self, task: Task, *, hard: bool) -> bool:
        """Whether the target is off and has its disks as they were received; see to it."""
        launch = task.launch
        if launch is None or not launch.stands:
            return True
        after = self._launching.take_down(owner(task.id), launch, hard=hard)
        if after is None:
            return False
        self._change(task.id, lambda t: replace(t, launch=after))
        return True

    def is_off(self, task: Task) -> bool:
        """Whether nothing runs on what is to be received; see to it if somebody started it."""
        assert task.server is not None  # noqa: S101 - its phases are done in order
        if task.receiver_port is not None or self._provider.power(task.server.id) is not Power.ON:
            return True
        log.warning("task %s: its target was started by hand, and is turned off", task.id)
        self._change(task.id, lambda t: replace(t, launch=_new_launch(t)))
        return False

    def _launch(self, task: Task, phase: str, step: Callable[[Launch], Launch | None]) -> bool:
        launch = task.launch
        if launch is None or not launch.stands:
            self._note(task, launch, lambda t: replace(t, launch=_new_launch(t)))
            return True
        begin = functools.partial(tasks.begun, name=phase, says=self._launching.says(launch))
        if begin(task) != task:  # it is looked at again and again until it is done
            self._note(task, launch, begin)
        after = step(launch)
        if after is None:
            return False
        self._note(task, launch, lambda t: replace(t, launch=after))
        if _is_done(after, phase):
            self._note(task, after, lambda t: tasks.done(t, phase, began=now_ms()))
        return True

    def _note(self, task: Task, launch: Launch | None, change: Change) -> None:
        """Unless the task was stopped meanwhile, or begun anew: it was not done in that run."""

        def noted(now: Task) -> Task:
            is_same = tasks.is_same_step(now, task) and now.launch == launch
            return change(now) if is_same else now

        self._change(task.id, noted)

    def _prepared(self, task: Task, source: Any, launch: Launch) -> Launch | None:  # noqa: ANN401
        if launch.is_prepared:
            return launch
        if not targets.has_system(task, source):
            # Should one be found later, it must not start: there is no layer to write to.
            return replace(launch, is_prepared=True, state=LaunchState.DONE)
        return self._launching.prepare(owner(task.id), launch, *targets.conversion(task, source))

    def _started(self, task: Task, source: Any, launch: Launch) -> Launch | None:  # noqa: ANN401
        if launch.state is LaunchState.DONE:
            return launch
        if not launch.is_prepared:
            return self._prepared(task, source, launch)
        if not targets.starts(task, source):
            return replace(launch, state=LaunchState.DONE)
        return self._launching.start(owner(task.id), launch, targets.probe(task, self._probe))


def owner(task_id: str) -> str:
    """Of the errands about the target itself."""
    return f"{task_id}/final"


def _is_done(launch: Launch, phase: str) -> bool:
    if phase.startswith("CONFIGURE"):
        return launch.is_prepared
    return launch.state is LaunchState.DONE and launch.outcome != Outcome.FAILED


def _new_launch(task: Task) -> Launch:
    return Launch(state=LaunchState.STARTING, server=task.server, cut_at=tasks.cut_at(task))
