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
Made = tuple[Launch, bool]  # the launch one step further, and whether the phase is done


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

    def _launch(self, task: Task, phase: str, step: Callable[[Launch], Made | None]) -> bool:
        launch = task.launch
        if launch is None or not launch.stands:
            launch = _new_launch(task)
            self._change(task.id, lambda t: replace(t, launch=launch))
            return True
        begin = functools.partial(tasks.begun, name=phase, says=self._launching.says(launch))
        if begin(task) != task:  # it is looked at again and again until it is done
            self._change(task.id, begin)
        made = step(launch)
        if made is None:
            return False
        after, is_done = made
        self._change(task.id, lambda t: replace(t, launch=after))
        if after.outcome == Outcome.FAILED:
            raise TargetNotUp(after.why, after.last_lines)
        if is_done:
            self._change(task.id, lambda t: tasks.done(t, phase, began=now_ms()))
        return True

    def _prepared(self, task: Task, source: Any, launch: Launch) -> Made | None:  # noqa: ANN401
        if launch.is_prepared:
            return launch, True
        if not targets.has_system(source):
            return replace(launch, is_prepared=True), True
        after = self._launching.prepare(owner(task.id), launch, *targets.conversion(task, source))
        return None if after is None else (after, True)

    def _started(self, task: Task, source: Any, launch: Launch) -> Made | None:  # noqa: ANN401
        if launch.state is LaunchState.DONE:
            return launch, True
        if not targets.starts(task, source):
            return replace(launch, state=LaunchState.DONE), True
        after = self._launching.start(owner(task.id), launch, targets.probe(task, self._probe))
        return None if after is None else (after, after.state is LaunchState.DONE)


def owner(task_id: str) -> str:
    """Of the errands about the target itself."""
    return f"{task_id}/final"


def _new_launch(task: Task) -> Launch:
    return Launch(state=LaunchState.STARTING, server=task.server, cut_at=tasks.cut_at(task))
