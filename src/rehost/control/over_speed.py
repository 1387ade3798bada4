"""Whether the agent of a task goes faster than its limit and the threshold above it allow."""

import re
from datetime import datetime

from rehost.control.task_record import Task
from rehost.model.speed import row_at, whole_day
from rehost.task_errors import TooFast

TIME = re.compile(r"(?<!\d)(\d{1,2}):(\d{2})")


def excess(task: Task, speed: float, agent_time: str | None) -> TooFast | None:
    """What is wrong with a speed, in Mbit/s, at that time of the agent's; without it, of ours."""
    row = row_at(whole_day(task.speed_limits, task.settings.speed_limit), _minute(agent_time))
    limit = (row.speed or 0) if row else 0
    own = row.over_speed_threshold if row else None
    threshold = task.settings.over_speed_threshold if own is None else own
    if not limit or not threshold or speed <= limit * (1 + threshold / 100):
        return None
    return TooFast(speed, limit, threshold)


def _minute(agent_time: str | None) -> int:
    """The minute of the day on the agent's clock; without it, on ours."""
    if agent_time and (found := TIME.search(agent_time)):
        return (int(found[1]) * 60 + int(found[2])) % (24 * 60)
    now = datetime.now().astimezone()
    return now.hour * 60 + now.minute
