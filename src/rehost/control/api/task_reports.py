"""What the agent of a task asks and tells: how far it is, where it sends to, who it is."""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from urllib.parse import urlsplit

import msgspec

from rehost.contract.transfer import Transfer
from rehost.control import destination, tasks
from rehost.control.api.sources import Done
from rehost.control.api.task_body import (
    NetworkCheckInfoRequestBody,
    ShowPassphraseResponse,
    UpdateTaskSpeedReq,
)
from rehost.control.api.tasks import RESOURCE
from rehost.control.operation import Access, Context, operation
from rehost.control.registration import visible
from rehost.control.store import sources
from rehost.control.store import tasks as table
from rehost.control.task_record import NetworkCheck, Task, agent_phases
from rehost.errors import InvalidRequest, SourceNotFound
from rehost.model.source import SourceState
from rehost.model.task import MOVING_STATES, Priority, TaskState
from rehost.task_errors import (
    NoIpv6Address,
    StateIsTheTasks,
    TargetNotReady,
    TaskNotFound,
    TaskRefuses,
)

FIGURES = (
    "compress_rate",
    "remain_time",
    "total_cpu_usage",
    "agent_cpu_usage",
    "total_mem_usage",
    "agent_mem_usage",
    "total_disk_io",
    "agent_disk_io",
)
CERTIFIED = (TaskState.READY, *MOVING_STATES, TaskState.ABORTING)


class CopyState(StrEnum):
    """The states of sources, with one of them named otherwise."""

    UNAVAILABLE = "unavailable"
    WAITING = "waiting"
    INIT = "init"
    REPLICATE = "replicate"
    SYNCING = "syncing"
    STOPPING = "stopping"
    STOPPED = "stopped"
    SKIPPING = "skipping"
    DELETING = "deleting"
    CLEARING = "clearing"
    CLEARED = "cleared"
    CLEARFAILED = "clearfailed"
    PREMIGREADY = "premigready"
    PREMIGING = "premiging"
    PREMIGED = "premiged"
    PREMIGFAILED = "premigfailed"
    CLONING = "cloning"
    CUTOVERING = "cutovering"
    FINISHED = "finished"
    ERROR = "error"


class CopyCycle(StrEnum):
    """The migration cycles, and four that no source comes to here."""

    NO_READY = "no_ready"
    READY_FOR_TEST = "ready_for_test"
    TESTING = "testing"
    TESTED = "tested"
    CUTOVERING = "cutovering"
    CUTOVERED = "cutovered"
    CHECKING = "checking"
    SETTING = "setting"
    REPLICATING = "replicating"
    SYNCING = "syncing"


@dataclass(frozen=True, slots=True, kw_only=True)
class PutCopyStateReq:
    copystate: CopyState
    migrationcycle: CopyCycle


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateNetworkCheckInfoResponse:
    task_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowCertKeyResponse:
    """PEM. `cert` and `private_key` are the agent's, for a week; `ca` signed both ends.

    What is the receiver's is empty for an agent, which is to be nobody but itself.
    """

    cert: str
    private_key: str = field(repr=False)
    ca: str
    target_mgmt_cert: str
    target_mgmt_private_key: str = field(repr=False)
    target_data_cert: str
    target_data_private_key: str = field(repr=False)


@operation(
    "PUT",
    "/v3/tasks/{task_id}/progress",
    returns=Done,
    access=Access.AGENT,
    action="sms:server:updateTaskProgress",
    resource=RESOURCE,
    raises=(TaskNotFound, InvalidRequest),
)
def update_task_speed(ctx: Context, task_id: str, body: UpdateTaskSpeedReq) -> Done:
    """Report how far a sub-task of the agent is. A task that is at rest is not changed by it."""
    with ctx.services.database.write() as db:
        task = tasks.visible(db, ctx.caller, task_id)
        if body.need_migration_test is not None:
            settings = replace(task.settings, need_migration_test=body.need_migration_test)
            task = tasks.save(db, task, replace(task, settings=settings))
        tasks.report(db, task, _progress(task, body))
    return Done()


@operation(
    "POST",
    "/v3/{task_id}/update-network-check-info",
    returns=UpdateNetworkCheckInfoResponse,
    access=Access.AGENT,
    action="rehost:task:updateNetworkCheck",
    resource=RESOURCE,
    raises=(TaskNotFound,),
)
def update_network_check_info(
    ctx: Context, task_id: str, body: NetworkCheckInfoRequestBody
) -> UpdateNetworkCheckInfoResponse:
    """Report what the agent measured of the way to its target."""
    check = msgspec.convert(body, NetworkCheck, from_attributes=True)
    with ctx.services.database.write() as db:
        task = tasks.visible(db, ctx.caller, task_id)
        tasks.save(db, task, replace(task, network_check=check))
    return UpdateNetworkCheckInfoResponse(task_id=task_id)


@operation(
    "GET",
    "/v3/tasks/{task_id}/passphrase",
    returns=ShowPassphraseResponse,
    access=Access.AGENT,
    action="sms:server:getTaskPassphrase",
    resource=RESOURCE,
    raises=(TaskNotFound,),
)
def show_passphrase(ctx: Context, task_id: str) -> ShowPassphraseResponse:
    """Show the secret of a task, made with it and kept encrypted."""
    with ctx.services.database.read() as db:
        task = tasks.visible(db, ctx.caller, task_id)
    passphrase = ctx.services.keys.decrypt(task.passphrase)
    return ShowPassphraseResponse(task_id=task_id, passphrase=passphrase)


@operation(
    "GET",
    "/v3/tasks/{task_id}/certkey",
    returns=ShowCertKeyResponse,
    access=Access.AGENT,
    action="rehost:task:certify",
    resource=RESOURCE,
    raises=(TaskNotFound, TaskRefuses),
)
def show_cert_key(
    ctx: Context, task_id: str, *, enable_ca_cert: bool | None = None
) -> ShowCertKeyResponse:
    """Issue certificates for a task; who needs one longer asks again. Not for one that ended.

    An agent's is refused once the task was stopped, or has ended, also if it is started again.
    """
    with ctx.services.database.read() as db:
        task = tasks.visible(db, ctx.caller, task_id)
    if task.state not in CERTIFIED:
        raise TaskRefuses(task.state, "get certificates", ())
    authority = ctx.services.authority
    agent = authority.agent(task_id, task.run.number)
    of_receiver = ("", "")
    if ctx.caller.source_id is None:
        receiver = authority.receiver(task_id)
        of_receiver = (receiver.certificate, receiver.private_key)
    return ShowCertKeyResponse(
        cert=agent.certificate,
        private_key=agent.private_key,
        ca="" if enable_ca_cert is False else agent.ca,
        target_mgmt_cert=of_receiver[0],
        target_mgmt_private_key=of_receiver[1],
        target_data_cert=of_receiver[0],
        target_data_private_key=of_receiver[1],
    )


@operation(
    "PUT",
    "/v3/sources/{source_id}/changestate",
    returns=Done,
    access=Access.AGENT,
    action="sms:server:updateState",
    raises=(SourceNotFound, TaskNotFound, StateIsTheTasks),
)
def update_copy_state(ctx: Context, source_id: str, body: PutCopyStateReq) -> Done:
    """Report where a source server stands. Its task decides; what does not fit it is refused.

    `replicate` while the task runs says that copying has begun.
    """
    ctx.require_own(source_id)
    state = "initialize" if body.copystate is CopyState.INIT else str(body.copystate)
    with ctx.services.database.write() as db:
        visible(db, ctx.caller, source_id)
        task = table.current(db, source_id)
        if task is None:
            raise TaskNotFound(f"a task of source server {source_id!r}")
        if state == SourceState.REPLICATE and task.state is TaskState.RUNNING:
            tasks.begin_copying(db, task)
        now = sources.place(db, source_id)
        if (state, body.migrationcycle) != (now.state, now.migration_cycle):
            wanted = f"{state}, {body.migrationcycle}"
            raise StateIsTheTasks(source_id, wanted, f"{now.state}, {now.migration_cycle}")
    return Done()


@operation(
    "GET",
    "/v3/rehost/tasks/{task_id}/transfer",
    returns=Transfer,
    access=Access.AGENT,
    action="rehost:task:transfer",
    resource=RESOURCE,
    raises=(TaskNotFound, TaskRefuses, TargetNotReady, NoIpv6Address),
)
def show_transfer(ctx: Context, task_id: str) -> Transfer:
    """Show where the agent of a running task sends its disks, once the target is ready for them.

    While the target holds a consistent point that is being made use of, it is not. The host is the
    task's configuration MIGRATE_DST_IP, else its migration_ip, else where the agent finds us.
    """
    with ctx.services.database.read() as db:
        task = tasks.visible(db, ctx.caller, task_id)
    if task.state not in MOVING_STATES:
        raise TaskRefuses(task.state, "be sent to", ())
    phase = tasks.next_phase(task)
    is_agents = phase is not None and tasks.is_agents(task, phase)
    if task.receiver_port is None or not is_agents or task.run.is_held:
        raise TargetNotReady(task_id)
    return Transfer(
        task_id=task_id,
        host=destination.host(task, urlsplit(ctx.base_url).hostname or ""),
        port=task.receiver_port,
        tls=True,  # also on loopback, where any local user could connect
        disks=task.run.disks,
        syncing=task.settings.syncing,
        network_check=task.settings.start_network_check,
        ipv6=task.settings.use_ipv6,
        point=task.run.points_wanted,
        taken=task.run.points_taken,
        priority=Priority(task.settings.priority),
    )


def _progress(task: Task, body: UpdateTaskSpeedReq) -> tasks.Progress:
    names = [phase.name for phase in agent_phases(task.flow)]
    if body.subtask_name not in names:
        raise InvalidRequest(
            f"body field subtask_name: the agent of this task does {' and '.join(names)}"
        )
    return tasks.Progress(
        phase=body.subtask_name,
        progress=body.progress,
        replicatesize=body.replicatesize,
        totalsize=body.totalsize,
        process_trace=body.process_trace,
        migrate_speed=body.migrate_speed,
        agent_time=body.agent_time,
        figures={name: getattr(body, name) for name in FIGURES},
    )


OPERATIONS = (
    update_task_speed,
    update_network_check_info,
    show_passphrase,
    show_cert_key,
    update_copy_state,
    show_transfer,
)
