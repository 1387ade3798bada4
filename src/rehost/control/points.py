"""The moments of a source that its target held: of consistent points, and of the cut."""

from dataclasses import replace

from rehost.contract.transfer import CUT
from rehost.control.task_record import Point, Run, Task
from rehost.model.task import MOVING_STATES

KEPT = 20  # points beside the cut; a task may be tested again and again


def told(task: Task, point: Point) -> Task:
    """The task with what its agent told. What came late, or again, changes nothing."""
    run = task.run
    if task.state not in MOVING_STATES or not (
        point.number == CUT or _is_awaited(run, point.number)
    ):
        return task
    others = [p for p in run.points if p.number != point.number]
    points = sorted((*others, point), key=lambda p: p.number)
    cut = tuple(p for p in points if p.number == CUT)
    rest = tuple(p for p in points if p.number != CUT)[-KEPT:]
    return replace(task, run=replace(run, points=cut + rest))


def without(run: Run) -> Run:
    """As another start finds it: nothing is held any more, and what was asked for is forgotten."""
    return replace(run, points=(), points_taken=run.points_wanted)


def _is_awaited(run: Run, number: int) -> bool:
    """Of one that could not be had, the agent may tell again: after a restart it tries again."""
    known = run.point(number)
    is_had = known is not None and not known.error_code
    return run.points_taken < number <= run.points_wanted and not is_had
