"""What may happen to a task, and what follows. Pure: whoever calls stores the step.

ACTIONS and REPORTS are the whole of it; docs/task-states.md shows them. An action that is in no
line of a state is refused there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from rehost.model.source import MigrationCycle, SourceState
from rehost.model.task import BUSY_STATES, MOVING_STATES, TaskState
from rehost.task_errors import TaskRefuses, TaskRunning


class Action(StrEnum):
    """What an operator asks for. The names are the API's."""

    START = "start"
    STOP = "stop"
    COLLECT_LOG = "collect_log"
    TEST = "test"
    CUTOVER = "cutover"
    CLONE_TEST = "clone_test"
    RESTART = "restart"
    SYNC = "sync"
    SYNC_FAILED_ROLLBACK = "sync_failed_rollback"
    NETWORK_CHECK = "network_check"
    SKIP = "skip"
    CLEAR = "clear"
    MIGRATION_TEST = "migration_test"
    ERROR_FOR_OVERSPEED = "error_for_overspeed"


class Command(StrEnum):
    """What the agent is told."""

    START = "START"
    STOP = "STOP"
    SYNC = "SYNC"
    UPLOAD_LOG = "UPLOAD_LOG"
    SKIP = "SKIP"


class News(StrEnum):
    """What came of a command, or of the phases."""

    START_FAILED = "START failed"
    STOP_DONE = "STOP done"
    STOP_FAILED = "STOP failed"
    SYNC_FAILED = "SYNC failed"
    KEEPS_IN_STEP = "copied, and kept in step"
    COPIED = "copied, to be kept in step"
    MIGRATED = "migrated"
    SYNCED = "synchronized"
    TARGET_FAILED = "target failed"
    AGENT_GONE = "agent gone"


@dataclass(frozen=True, slots=True)
class Step:
    """The state that a task goes to, or stays in, and what its agent is told."""

    state: TaskState
    command: Command | None = None


_BEGIN = Step(TaskState.RUNNING, Command.START)
_SYNC = Step(TaskState.SYNCING, Command.SYNC)
_STOP = Step(TaskState.ABORTING, Command.STOP)

# There is no command for a network check: the agent makes it before it copies, if it is wanted.
_CHECKS: Mapping[tuple[TaskState, Action], Step] = {
    (state, Action.NETWORK_CHECK): Step(state)
    for state in (TaskState.READY, TaskState.ABORT, TaskState.MIGRATE_FAIL)
}
# An agent can be asked for its log whatever the task does, unless the task is on its way out.
_LOGS: Mapping[tuple[TaskState, Action], Step] = {
    (state, Action.COLLECT_LOG): Step(state, Command.UPLOAD_LOG)
    for state in TaskState
    if state is not TaskState.DELETING
}

# The comparison of both ends that is under way, or would be the next, is left out.
_SKIPS: Mapping[tuple[TaskState, Action], Step] = {
    (state, Action.SKIP): Step(state, Command.SKIP)
    for state in (TaskState.RUNNING, TaskState.SYNCING)
}

TRIES = (Action.TEST, Action.CLONE_TEST, Action.MIGRATION_TEST)
# A copy of the target is tried beside what the task does, and thrown away whatever it does then.
_TRIALS: Mapping[tuple[TaskState, Action], Step] = {
    (state, action): Step(state)
    for state in (TaskState.SYNCING, TaskState.MIGRATE_SUCCESS, TaskState.SYNC_SUCCESS)
    for action in TRIES
} | {
    (state, Action.CLEAR): Step(state)
    for state in TaskState
    if state not in (TaskState.READY, TaskState.DELETING)
}

ACTIONS: Mapping[tuple[TaskState, Action], Step] = {
    (TaskState.READY, Action.START): _BEGIN,
    (TaskState.RUNNING, Action.STOP): _STOP,
    (TaskState.RUNNING, Action.ERROR_FOR_OVERSPEED): _STOP,
    (TaskState.ABORT, Action.START): _BEGIN,
    (TaskState.ABORT, Action.RESTART): _BEGIN,
    (TaskState.MIGRATE_FAIL, Action.START): _BEGIN,
    (TaskState.MIGRATE_FAIL, Action.RESTART): _BEGIN,
    (TaskState.MIGRATE_SUCCESS, Action.SYNC): _SYNC,
    (TaskState.SYNCING, Action.STOP): _STOP,
    # What changes until the cut is sent, and then the agent is done.
    (TaskState.SYNCING, Action.CUTOVER): _SYNC,
    (TaskState.SYNCING, Action.ERROR_FOR_OVERSPEED): _STOP,
    (TaskState.SYNC_SUCCESS, Action.SYNC): _SYNC,
    (TaskState.SYNC_FAIL, Action.SYNC): _SYNC,
    # As if it had never been cut over: a start goes on with keeping in step.
    (TaskState.SYNC_FAIL, Action.SYNC_FAILED_ROLLBACK): Step(TaskState.ABORT),
    (TaskState.SYNC_SUCCESS, Action.SYNC_FAILED_ROLLBACK): Step(TaskState.ABORT),
    **_CHECKS,
    **_SKIPS,
    **_TRIALS,
    **_LOGS,
}

REPORTS: Mapping[tuple[TaskState, News], Step] = {
    (TaskState.RUNNING, News.START_FAILED): Step(TaskState.MIGRATE_FAIL),
    (TaskState.RUNNING, News.KEEPS_IN_STEP): Step(TaskState.SYNCING),
    (TaskState.RUNNING, News.COPIED): _SYNC,
    (TaskState.RUNNING, News.MIGRATED): Step(TaskState.MIGRATE_SUCCESS),
    (TaskState.RUNNING, News.TARGET_FAILED): Step(TaskState.MIGRATE_FAIL, Command.STOP),
    (TaskState.SYNCING, News.START_FAILED): Step(TaskState.SYNC_FAIL),
    (TaskState.SYNCING, News.SYNC_FAILED): Step(TaskState.SYNC_FAIL),
    (TaskState.SYNCING, News.SYNCED): Step(TaskState.SYNC_SUCCESS),
    (TaskState.SYNCING, News.TARGET_FAILED): Step(TaskState.SYNC_FAIL, Command.STOP),
    (TaskState.ABORTING, News.STOP_DONE): Step(TaskState.ABORT),
    (TaskState.ABORTING, News.STOP_FAILED): Step(TaskState.MIGRATE_FAIL),
    (TaskState.ABORTING, News.AGENT_GONE): Step(TaskState.ABORT),
}

# Where a source stands while its task is in a state that a task can come to. A task that is ready
# changes nothing: the source stands where the checks put it. While a running task copies, the
# source is in state replicate: see standing().
STANDINGS: Mapping[TaskState, tuple[SourceState, MigrationCycle]] = {
    TaskState.RUNNING: (SourceState.INITIALIZE, MigrationCycle.REPLICATING),
    TaskState.SYNCING: (SourceState.SYNCING, MigrationCycle.SYNCING),
    TaskState.MIGRATE_SUCCESS: (SourceState.FINISHED, MigrationCycle.CUTOVERED),
    TaskState.SYNC_SUCCESS: (SourceState.FINISHED, MigrationCycle.CUTOVERED),
    TaskState.MIGRATE_FAIL: (SourceState.ERROR, MigrationCycle.REPLICATING),
    TaskState.SYNC_FAIL: (SourceState.ERROR, MigrationCycle.SYNCING),
    TaskState.ABORTING: (SourceState.STOPPING, MigrationCycle.REPLICATING),
    TaskState.ABORT: (SourceState.STOPPED, MigrationCycle.REPLICATING),
}


# A task in one of these has done what it was made for; its source may be given another task.
FINISHED = frozenset({TaskState.MIGRATE_SUCCESS, TaskState.SYNC_SUCCESS})


def standing(
    state: TaskState, *, copying: bool, cutting_over: bool, trial: SourceState | None
) -> tuple[SourceState, MigrationCycle] | None:
    """Where the source of a task in `state` stands; None: where the checks put it.

    `copying`: the agent has begun to copy. `cutting_over`: it is done with it. `trial`: what a test
    of a copy, or that one is to come, makes of a source that is kept in step.
    """
    if state in MOVING_STATES and cutting_over:
        return SourceState.CUTOVERING, MigrationCycle.CUTOVERING
    if state is TaskState.RUNNING and copying:
        return SourceState.REPLICATE, MigrationCycle.REPLICATING
    if state is TaskState.SYNCING and trial is not None:
        return trial, MigrationCycle.SYNCING
    return STANDINGS.get(state)


def act(state: TaskState, action: Action) -> Step:
    """What follows from an operator's wish. Raises TaskRefuses."""
    step = ACTIONS.get((state, action))
    if step is None:
        possible = tuple(other.value for at, other in ACTIONS if at is state)
        raise TaskRefuses(state, action, possible)
    return step


def hear(state: TaskState, news: News) -> Step:
    """What follows from news; those that do not fit the state come late, and change nothing."""
    return REPORTS.get((state, news), Step(state))


def require_deletable(task_id: str, state: TaskState) -> None:
    """Raise TaskRunning while the task does something to its target."""
    if state in BUSY_STATES:
        raise TaskRunning(task_id, state)
