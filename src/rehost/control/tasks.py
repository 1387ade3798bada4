"""What happens to tasks. Each function is part of its caller's write transaction, and leaves the
task, its source and its agent's commands in accord.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import sqlalchemy as sa

from rehost.contract.transfer import CUT
from rehost.control import document, judgement, over_speed, points, trials
from rehost.control.clock import now_ms
from rehost.control.operation import Caller
from rehost.control.store import commands, sources
from rehost.control.store import tasks as table
from rehost.control.task_record import PhaseState, Run, Task, agent_phases, failure
from rehost.control.wishes import Wishes
from rehost.errors import NotYourResource
from rehost.flow import Runner
from rehost.model.server import Report
from rehost.model.task import (
    BUSY_STATES,
    MOVING_STATES,
    CurrentTask,
    LogCollectStatus,
    TargetRef,
    TaskState,
    TaskType,
)
from rehost.stages import task as stage
from rehost.stages.task import Action, Command, News
from rehost.task_errors import (
    NotMigratedThisWay,
    SourceUnfit,
    SystemNotSupported,
    TaskNotFound,
    TaskSuperseded,
    TrialTooLate,
)

STARTS = (Action.START, Action.RESTART)
# What makes the agent send, or end, though the target was to hold still for a trial.
BETWEEN = (*STARTS, Action.SYNC, Action.CUTOVER, Action.STOP, Action.ERROR_FOR_OVERSPEED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What an agent says of one of its phases."""

    phase: str
    progress: int
    replicatesize: int
    totalsize: int
    process_trace: str
    migrate_speed: float | None = None
    agent_time: str | None = None
    figures: dict[str, Any]  # the fields of Run by their names


def visible(db: sa.Connection, caller: Caller, task_id: str) -> Task:
    """The stored task; TaskNotFound also for another project's, NotYourResource for an agent's."""
    task = table.get(db, task_id)
    if task is None or task.project_id not in caller.projects:
        raise TaskNotFound(f"task {task_id!r}")
    if caller.source_id not in (None, task.source_id):
        raise NotYourResource(task_id, "task")
    return task


def create(db: sa.Connection, task: Task, source: sa.Row[Any]) -> None:
    """Store a new task, ready, as the current one of its source."""
    table.insert(db, task)
    sources.update(db, source.id, {"has_consistency_result": False})
    _stand_by_checks(db, source)
    _follow(db, task)


def delete(db: sa.Connection, task: Task) -> None:
    """Delete a task. Its target goes, too, unless it was complete once.

    Raises TaskRunning. What its agent has not confirmed is taken back.
    """
    stage.require_deletable(task.id, task.state)
    commands.withdraw(db, task.source_id, *Command, task_id=task.id)
    if task.current:
        _let_go(db, task)
    table.delete(db, task)


def act(
    db: sa.Connection,
    task: Task,
    action: Action,
    *,
    bucket: str = "",
    wishes: Wishes = Wishes(),  # noqa: B008
) -> Task:
    """Do what an operator asks for; returns the task as it is then.

    Raises TaskRefuses, TaskSuperseded; for a start also SourceUnfit, SystemNotSupported and
    NotMigratedThisWay, for a test TrialTooLate. `bucket` is of COLLECT_LOG,
    `wishes` are of tests, for the machine of the copy.
    """
    step = stage.act(task.state, action)
    if action is Action.COLLECT_LOG:
        return _collect_log(db, task, bucket)
    if not task.current and action is not Action.CLEAR:
        raise TaskSuperseded(task.id)
    if action is Action.CUTOVER and is_cutting_over(task):
        return task  # its agent is done, and would be told to do it once more
    if action is Action.SKIP:
        return _skip(db, task)
    if action in STARTS:
        _require_startable(db, task)
    if action in stage.TRIES and _ends_soon(db, task):
        raise TrialTooLate(task.id)
    after = _acted(_stepped(db, task, step), action, wishes)
    return save(db, task, trials.cut_off(after) if action in BETWEEN else after)


def _acted(task: Task, action: Action, wishes: Wishes) -> Task:
    """The task, in its new state, as an operator's wish leaves it."""
    if action in stage.TRIES:
        return trials.want(task, action, wishes)
    if action in STARTS:
        since = task.start_date or now_ms()
        return _of_run(replace(task, start_date=since), _begun(task.run, task.flow))
    changes: Mapping[Action, Callable[[], Task]] = {
        Action.NETWORK_CHECK: lambda: replace(
            task,
            network_check=None,
            settings=replace(task.settings, start_network_check=True),
        ),
        Action.SYNC: lambda: _of_run(task, _begun_sync(task)),
        Action.SYNC_FAILED_ROLLBACK: lambda: replace(task, active=True, error=""),
        Action.CLEAR: lambda: trials.clear(task),
    }
    return changes.get(action, lambda: task)()


def _of_run(task: Task, run: Run) -> Task:
    """The task in a new run. An older one's receiver may still listen, but not for this one."""
    run = points.without(replace(run, number=run.number + 1, remain_time=None))
    return replace(task, run=run, receiver_port=None, finish_date=None, error="")


def hear(db: sa.Connection, task: Task, news: News, *, error: str = "") -> Task:
    """Take news in; what came late changes nothing. `error` is JSON, "" if nothing failed."""
    step = stage.hear(task.state, news)
    if step.state is task.state:
        return task
    after = _stepped(db, task, step)
    if news in (News.KEEPS_IN_STEP, News.COPIED):
        after = replace(after, run=replace(after.run, synchronizes=True))
    elif news in (News.MIGRATED, News.SYNCED):
        after = replace(after, run=replace(after.run, migrated=True))
    if after.state not in BUSY_STATES:
        after = replace(after, finish_date=now_ms())
        if after.state not in stage.FINISHED:
            after = trials.cut_off(after)
    if error:
        after = replace(after, error=error)
    return save(db, task, after)


def answered(db: sa.Connection, task: Task, command: str, *, success: bool, error: str) -> Task:
    """Take in what came of a command that the agent of the task was given."""
    if command == Command.UPLOAD_LOG:
        status = LogCollectStatus.UPLOADED if success else LogCollectStatus.UPLOAD_FAIL
        log = replace(task.log, status=status, uploaded_at=now_ms() if success else None)
        return save(db, task, replace(task, log=log))
    if command == Command.SKIP:
        return task
    if not success:
        failed = {
            Command.START: News.START_FAILED,
            Command.SYNC: News.SYNC_FAILED,
            Command.STOP: News.STOP_FAILED,
        }
        return hear(db, task, failed[Command(command)], error=error)
    if command == Command.STOP:
        return hear(db, task, News.STOP_DONE)
    return _copied(db, task)


def report(db: sa.Connection, task: Task, said: Progress) -> Task:
    """Take in how a phase of the agent goes. A task at rest is not changed: it came late."""
    if task.state not in BUSY_STATES:
        return task
    now = now_ms()
    phase = task.run.phase(said.phase)
    if not phase.is_done:
        phase = replace(
            phase,
            progress=said.progress,
            start_date=phase.start_date or now,
            migrate_speed=said.migrate_speed,
            process_trace=said.process_trace,
        )
    run = replace(
        task.run,
        replicatesize=said.replicatesize,
        totalsize=said.totalsize,
        migrate_speed=said.migrate_speed,
        reported_at=now,
        **{name: value for name, value in said.figures.items() if value is not None},
    ).with_phase(phase)
    if said.phase == task.keeping.name and task.settings.syncing:
        # It is at it, so the first copy is complete, whether or not it said so.
        run = run.with_phase(_done(run.phase(task.copying.name), now))
    after = save(db, task, replace(task, run=run))
    after = _keeps_in_step(db, after)
    return _refuse_too_fast(db, after, said)


def begin_copying(db: sa.Connection, task: Task) -> Task:
    """Note that the agent has begun to copy."""
    phase = replace(task.copying, start_date=task.copying.start_date or now_ms())
    return save(db, task, replace(task, run=task.run.with_phase(phase)))


def save(db: sa.Connection, before: Task, after: Task) -> Task:
    """Store what changed of a task, and let its source follow."""
    if after.state in BUSY_STATES and not after.active:
        after = replace(after, active=True)
    if after != before:
        table.save(db, before, after)
        _follow(db, after)
    return after


def shown(task: Task) -> CurrentTask:
    """The task as its source shows it."""
    settings, run = task.settings, task.run
    return CurrentTask(
        id=task.id,
        name=task.name,
        type=task.type,
        state=task.state,
        start_date=task.start_date,
        speed_limit=settings.speed_limit,
        migrate_speed=run.migrate_speed,
        start_target_server=settings.start_target_server,
        vm_template_id=settings.vm_template_id,
        region_id=settings.region_id,
        project_name=settings.project_name,
        project_id=settings.project_id,
        target_server=TargetRef(vm_id=target_id(task), name=settings.target_name),
        log_collect_status=task.log.status,
        exist_server=settings.exist_server,
        use_public_ip=settings.use_public_ip,
        clone_server=trials.shown(task),
        subtask_info=subtask_info(task),
        estimate_complete_time=run.estimate,
        compress_rate=run.compress_rate,
        remain_seconds=run.remain_time,
        log_bucket=task.log.bucket or None,
        log_upload_time=task.log.uploaded_at,
        log_share_url=f"/v3/rehost/tasks/{task.id}/log" if task.log.size is not None else None,
    )


def target_id(task: Task) -> str:
    return task.server.id if task.server is not None else task.settings.target_vm_id


def subtask_info(task: Task) -> str:
    parts = [{"name": p.name, "progress": p.progress} for p in task.run.phases]
    return msgspec.json.encode({"progress": task.progress, "sub_tasks": parts}).decode()


def _stepped(db: sa.Connection, task: Task, step: stage.Step) -> Task:
    """The task in the state of the step, its agent told what it says."""
    if step.command is not None:
        _tell(db, task, step.command)
    return replace(task, state=step.state)


def _tell(db: sa.Connection, task: Task, command: Command) -> None:
    """Queue a command. What it makes pointless, and is not confirmed, is taken back.

    So is an earlier STOP: the agent may have had it before what it is to stop now.
    """
    pointless = [Command.START, Command.SYNC]
    if command is not Command.SYNC:  # the run that a comparison was to be skipped of is over
        pointless.append(Command.SKIP)
    if command is Command.STOP:
        pointless.append(command)
    commands.withdraw(db, task.source_id, *pointless)
    param: dict[str, Any] = {"task_id": task.id}
    if command is Command.SYNC and task.settings.is_need_consistency_check:
        param["verify"] = True
    commands.add(db, task.source_id, command, msgspec.json.encode(param).decode())


def _collect_log(db: sa.Connection, task: Task, bucket: str) -> Task:
    param = msgspec.json.encode({"task_id": task.id, "bucket": bucket}).decode()
    if not commands.is_waiting(db, task.source_id, Command.UPLOAD_LOG, param):
        commands.withdraw(db, task.source_id, Command.UPLOAD_LOG, task_id=task.id)
        commands.add(db, task.source_id, Command.UPLOAD_LOG, param)
    log = replace(task.log, status=LogCollectStatus.UPLOADING, bucket=bucket)
    return save(db, task, replace(task, log=log))


def _skip(db: sa.Connection, task: Task) -> Task:
    param = msgspec.json.encode({"task_id": task.id}).decode()
    if not commands.is_waiting(db, task.source_id, Command.SKIP, param):
        commands.add(db, task.source_id, Command.SKIP, param)
    return task


def _ends_soon(db: sa.Connection, task: Task) -> bool:
    """Whether its agent was asked for the last pass, after which it holds no moment any more."""
    if task.state is not TaskState.SYNCING:
        return False
    return is_cutting_over(task) or commands.is_waiting(db, task.source_id, Command.SYNC)


def _require_startable(db: sa.Connection, task: Task) -> None:
    if task.type is not TaskType.MIGRATE_BLOCK:
        raise NotMigratedThisWay(task.id, task.type)
    source = sources.get(db, task.source_id)
    assert source is not None  # noqa: S101 - the task refers to it
    report = msgspec.json.decode(source.report, type=Report)
    failed = judgement.obstacles(report, source.choices)
    if "OS_VERSION" in failed:
        raise SystemNotSupported(source.id, report.os_version)
    if failed:
        raise SourceUnfit(source.id, failed)


def _begun(run: Run, flow: tuple[Any, ...]) -> Run:
    """As a start finds it: what the service made is there, the agent reports anew."""
    agents = [phase.name for phase in agent_phases(flow)]
    first = flow.index(agent_phases(flow)[0])
    after = {phase.name for phase in flow[first:]}
    phases = tuple(
        PhaseState(name=p.name, progress=p.progress if p.name in agents else 0)
        if p.name in after
        else p
        for p in run.phases
    )
    return replace(run, phases=phases, synchronizes=False)


def _begun_sync(task: Task) -> Run:
    """As another synchronization finds it: all is done but the agent's second phase and after."""
    names = [phase.name for phase in task.flow]
    again = set(names[names.index(task.keeping.name) :])
    phases = tuple(PhaseState(name=p.name) if p.name in again else p for p in task.run.phases)
    done = tuple(p if p.name in again or p.is_done else _done(p, now_ms()) for p in phases)
    return replace(task.run, phases=done, synchronizes=True)


def _copied(db: sa.Connection, task: Task) -> Task:
    """The agent has done what START or SYNC asked for; the runner goes on from there."""
    now = now_ms()
    if task.state is TaskState.SYNCING:
        run = task.run.with_phase(_done(task.keeping, now))
        return save(db, task, replace(task, run=run))
    if task.state is TaskState.RUNNING:
        run = task.run.with_phase(_done(task.copying, now))
        after = save(db, task, replace(task, run=run))
        return hear(db, after, News.COPIED) if task.settings.syncing else after
    return task


def _keeps_in_step(db: sa.Connection, task: Task) -> Task:
    """A task that is to be kept in step is so as soon as the first copy is complete."""
    if task.state is not TaskState.RUNNING or not task.settings.syncing:
        return task
    if task.copying.progress < 100:
        return task
    run = task.run.with_phase(_done(task.copying, now_ms()))
    return hear(db, save(db, task, replace(task, run=run)), News.KEEPS_IN_STEP)


def _refuse_too_fast(db: sa.Connection, task: Task, said: Progress) -> Task:
    if not said.migrate_speed or task.state not in MOVING_STATES:
        return task
    error = over_speed.excess(task, said.migrate_speed, said.agent_time)
    if error is None:
        return task
    stopped = act(db, task, Action.ERROR_FOR_OVERSPEED)
    return save(db, stopped, replace(stopped, error=failure(error)))


def _done(phase: PhaseState, now: int) -> PhaseState:
    if phase.is_done:
        return phase
    return replace(phase, progress=100, start_date=phase.start_date or now, end_date=now)


def done(task: Task, name: str, *, began: int) -> Task:
    """The task with this phase done, which began at that time."""
    phase = task.run.phase(name)
    phase = replace(phase, start_date=phase.start_date or began, process_trace="")
    return replace(task, run=task.run.with_phase(_done(phase, now_ms())))


def begun(task: Task, name: str, says: str) -> Task:
    """The task with this phase begun, if it had not, and what is being done."""
    phase = task.run.phase(name)
    phase = replace(phase, start_date=phase.start_date or now_ms(), process_trace=says)
    return replace(task, run=task.run.with_phase(phase))


def cut_at(task: Task) -> int | None:
    """Of which moment of the source its target is now, in ms since the epoch."""
    if point := task.run.point(CUT):
        return point.at
    last = task.keeping if task.run.synchronizes else task.copying
    return last.end_date


def next_phase(task: Task) -> str | None:
    """The phase that is to be done now, None if all are; keeping in step only if it is wanted."""
    for phase in task.flow:
        wanted = phase.name != task.keeping.name or task.run.synchronizes
        if wanted and not task.run.phase(phase.name).is_done:
            return phase.name
    return None


def is_same_step(now: Task, task: Task) -> bool:
    """Whether a task is where it was read; else it was stopped meanwhile, or begun anew."""
    same_run = now.state is task.state and now.run.number == task.run.number
    return same_run and next_phase(now) == next_phase(task)


def is_cutting_over(task: Task) -> bool:
    """The source was copied, and its target is being started instead of it."""
    phase = next_phase(task)
    first = agent_phases(task.flow)[0].name
    names = [p.name for p in task.flow]
    return phase is None or (names.index(phase) > names.index(first) and not is_agents(task, phase))


def is_agents(task: Task, phase: str) -> bool:
    return any(p.name == phase and p.runner is Runner.AGENT for p in task.flow)


def _let_go(db: sa.Connection, task: Task) -> None:
    """Have a source show no task; it stays finished, and where it was migrated to, if it is."""
    values: dict[str, Any] = {"task": document.task(None), "has_consistency_result": False}
    if not task.run.migrated:
        values |= {"replicatesize": 0, "totalsize": 0, "target_vm_id": ""}
    sources.update(db, task.source_id, values)
    if task.state not in stage.FINISHED:
        source = sources.get(db, task.source_id)
        assert source is not None  # noqa: S101 - the task refers to it
        _stand_by_checks(db, source)


def _stand_by_checks(db: sa.Connection, source: sa.Row[Any]) -> None:
    """Put a source back to where its checks put it, as if no task had been."""
    report = msgspec.json.decode(source.report, type=Report)
    _stand(db, source.id, source, judgement.standing(report, source.choices))


def _follow(db: sa.Connection, task: Task) -> None:
    """Let the source show its current task, and stand where the task puts it."""
    if not task.current:
        return
    values = {
        "task": document.task(shown(task)),
        "replicatesize": task.run.replicatesize,
        "totalsize": task.run.totalsize,
        "target_vm_id": target_id(task),
    }
    sources.update(db, task.source_id, values)
    standing = stage.standing(
        task.state,
        copying=task.copying.start_date is not None,
        cutting_over=is_cutting_over(task),
        trial=trials.standing(task),
    )
    if standing is not None:
        _stand(db, task.source_id, sources.place(db, task.source_id), standing)


def _stand(
    db: sa.Connection,
    source_id: str,
    now: Any,  # noqa: ANN401 - a row
    standing: tuple[Any, Any],
) -> None:
    state, cycle = standing
    values: dict[str, Any] = {}
    if now.state != state:
        values |= {"state": state, "state_action_time": now_ms()}
    if now.migration_cycle != cycle:
        values |= {"migration_cycle": cycle, "stage_action_time": now_ms()}
    if values:
        sources.update(db, source_id, values)
