"""Test launches: a copy of the target as its source was at one moment, started where it reaches
nobody, while the target is kept in step.

What an operator wishes, what that means for the agent, and how it is shown; trying.py does it.
"""

from dataclasses import replace

import msgspec

from rehost.contract.transfer import CUT
from rehost.control.task_record import Launch, LaunchState, Task, failure
from rehost.control.wishes import Wishes
from rehost.model.source import SourceState
from rehost.model.task import CloneServer, TaskState
from rehost.stages.launch import Outcome
from rehost.stages.task import Action
from rehost.task_errors import TrialCutOff

# The source's agent sends nothing from the moment that is copied until the copy is made.
HOLDING = (LaunchState.WANTED, LaunchState.CLONING)
ENDED = (LaunchState.DONE, LaunchState.FAILED)
# As the API calls them.
SHOWN = {
    LaunchState.WANTED: "READY",
    LaunchState.CLONING: "PREPARING",
    LaunchState.STARTING: "CREATING",
    LaunchState.DONE: "FINISHED",
    LaunchState.FAILED: "ERROR",
    LaunchState.CLEARING: "NOT_READY",
}


def clone_id(task_id: str) -> str:
    return f"{task_id}-test"


def owner(task_id: str) -> str:
    return f"{task_id}/test"


def clearing(task_id: str) -> str:
    """Whose errand it is to throw a copy away: an owner of its own, stopped by nobody else."""
    return f"{owner(task_id)}/gone"


def is_under_way(task: Task) -> bool:
    return task.trial is not None and task.trial.state not in ENDED


def is_untidy(trial: Launch) -> bool:
    """Whether what there may be of a copy that was never started is still to be thrown away."""
    return trial.state is LaunchState.FAILED and trial.stands and trial.boot_at is None


def is_settled(task: Task) -> bool:
    """Whether nothing is to be done for the task's trial."""
    trial = task.trial
    return trial is None or (trial.state in ENDED and not is_untidy(trial))


def standing(task: Task) -> SourceState | None:
    """What a trial makes of a source that is kept in step; None: nothing.

    A drill is shown until it is thrown away; other trials as long as they are under way.
    """
    trial = task.trial
    if trial is not None and trial.state is LaunchState.CLEARING:
        return SourceState.CLEARING
    if trial is not None and trial.is_drill:
        return _drilled(trial)
    if is_under_way(task):
        return SourceState.CLONING
    is_due = task.settings.need_migration_test and not task.run.rehearsed
    return SourceState.PREMIGREADY if is_due else None


def want(task: Task, action: Action, wishes: Wishes) -> Task:
    """The task with another trial, instead of an earlier one; one that is under way goes on, and
    becomes a drill if a drill is asked for.

    `wishes` are for the copy's machine: its CPUs and its memory are followed.
    """
    is_drill = action is Action.MIGRATION_TEST
    if is_under_way(task) and task.trial and task.trial.state is not LaunchState.CLEARING:
        trial = replace(task.trial, is_drill=task.trial.is_drill or is_drill)
        return replace(task, active=True, trial=trial)
    point = CUT
    if task.state is TaskState.SYNCING:
        point = task.run.points_wanted + 1
        task = replace(task, run=replace(task.run, points_wanted=point))
    trial = Launch(
        state=LaunchState.WANTED,
        point=point,
        is_drill=is_drill,
        cpus=wishes.cpus,
        memory=wishes.memory,
    )
    return replace(task, active=True, trial=trial)


def clear(task: Task) -> Task:
    """The task whose trial is to be thrown away."""
    if task.trial is None:
        return task
    return replace(noted(task, replace(task.trial, state=LaunchState.CLEARING)), active=True)


def cut_off(task: Task) -> Task:
    """The task as something comes between: its agent holds no moment any more."""
    if task.trial is None or task.trial.state not in HOLDING:
        return task
    failed = replace(task.trial, state=LaunchState.FAILED, error=failure(TrialCutOff()), why="")
    return noted(task, failed)


def noted(task: Task, trial: Launch | None) -> Task:
    """The task with its trial as it is now; the agent need not hold what that does not wait for."""
    if trial is not None and trial.state in HOLDING:
        return replace(task, trial=trial)
    run = replace(
        task.run,
        points_taken=task.run.points_wanted,
        rehearsed=task.run.rehearsed or (trial is not None and _has_rehearsed(trial)),
    )
    return replace(task, trial=trial, run=run)


def shown(task: Task) -> CloneServer | None:
    """As the API shows a trial; what a client said of one is shown where there is none."""
    trial = task.trial
    if trial is None:
        return task.settings.clone_server
    error = msgspec.json.decode(trial.error) if trial.error else {}
    return CloneServer(
        vm_id=trial.server.id if trial.server else "",
        name=trial.server.name if trial.server else "",
        clone_state=SHOWN[trial.state],
        clone_error=error.get("error_code", ""),
        error_msg=error.get("error_msg", ""),
    )


def _drilled(trial: Launch) -> SourceState:
    if trial.state not in ENDED:
        return SourceState.PREMIGING
    return SourceState.PREMIGED if _has_rehearsed(trial) else SourceState.PREMIGFAILED


def _has_rehearsed(trial: Launch) -> bool:
    """Whether a drill came up, or nobody could see that it did not."""
    is_good = trial.state is LaunchState.DONE and trial.outcome != Outcome.FAILED
    return trial.is_drill and is_good
