"""Tasks: made, shown, listed, changed, deleted, and told what to do."""

import secrets
import uuid
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa

from rehost.control import destination, targets, tasks, wishes
from rehost.control.api import task_view
from rehost.control.api.sources import DeleteIds, Done
from rehost.control.api.task_body import (
    CreateTaskResponse,
    PostTask,
    PutTaskReq,
    TargetDisks,
    TargetServer,
    UpdateTaskResponse,
    UpdateTaskStatusReq,
)
from rehost.control.api.task_view import ListTasksResponse, ShowTaskResponse
from rehost.control.clock import now_ms
from rehost.control.operation import Access, Context, operation
from rehost.control.store import migprojects, sources, templates
from rehost.control.store import tasks as table
from rehost.control.task_record import Settings, Task, WantedDisk, fresh_run
from rehost.control.wishes import Wishes
from rehost.errors import InvalidRequest, NotYourTemplate, TemplateNotFound
from rehost.flow import FLOWS
from rehost.model.limits import Meta, Text
from rehost.model.server import OsType
from rehost.model.task import BUSY_STATES, MOVING_STATES, TaskState, TaskType
from rehost.provider_errors import BadTargetSpec
from rehost.stages.task import FINISHED, TRIES, Action
from rehost.task_errors import (
    NoIpv6Address,
    NotMigratedThisWay,
    SourceHasTask,
    SourceOfTaskNotFound,
    SourceUnfit,
    SystemNotSupported,
    TaskNotFound,
    TaskRefuses,
    TaskRunning,
    TaskSuperseded,
    TypeStays,
)

RESOURCE = "tasks"
PAGE = 50  # what limit=0 means
Limit = Annotated[int, Meta(ge=0, le=200)]
Offset = Annotated[int, Meta(ge=0, le=65535)]
# What a migration project says for its sources' tasks, where a task does not say otherwise.
OF_MIGPROJECTS = (
    "start_target_server",
    "speed_limit",
    "use_public_ip",
    "exist_server",
    "syncing",
    "start_network_check",
)
STARTING = (SourceUnfit, SystemNotSupported, NotMigratedThisWay, NoIpv6Address)
SENDING = (*tasks.STARTS, Action.SYNC)


class StateFilter(StrEnum):
    """The states of tasks, and two that the API can filter by; no task comes to those."""

    READY = "READY"
    RUNNING = "RUNNING"
    SYNCING = "SYNCING"
    MIGRATE_SUCCESS = "MIGRATE_SUCCESS"
    SYNC_SUCCESS = "SYNC_SUCCESS"
    MIGRATE_FAIL = "MIGRATE_FAIL"
    SYNC_FAIL = "SYNC_FAIL"
    ABORTING = "ABORTING"
    ABORT = "ABORT"
    SKIPPING = "SKIPPING"
    DELETING = "DELETING"
    RESETING = "RESETING"
    SYNC_F_ROLLBACKING = "SYNC_F_ROLLBACKING"
    SYNC_F_ROLLBACK_SUCCESS = "SYNC_F_ROLLBACK_SUCCESS"


@operation(
    "POST",
    "/v3/tasks",
    returns=CreateTaskResponse,
    action="sms:server:createTask",
    resource=RESOURCE,
    raises=(InvalidRequest, SourceOfTaskNotFound, SourceHasTask, *STARTING),
)
def create_task(ctx: Context, body: PostTask) -> CreateTaskResponse:
    """Create a task, which migrates a source server; with `auto_start` it is started at once.

    A source has one task at a time: the next can be created when the last one has succeeded or
    was deleted.
    """
    with ctx.services.database.write() as db:
        source = sources.get(db, body.source_server.id)
        if source is None or source.project_id not in ctx.caller.projects:
            raise SourceOfTaskNotFound(body.source_server.id)
        last = table.current(db, source.id)
        if last is not None and last.state not in FINISHED:
            raise SourceHasTask(source.id, last.id, last.state)
        task = _new(ctx, db, source, body)
        tasks.create(db, task, source)
        if body.auto_start:
            require_way(ctx, tasks.act(db, task, Action.START))
    ctx.services.wake_runner()
    return CreateTaskResponse(id=task.id)


@operation(
    "GET", "/v3/tasks", returns=ListTasksResponse, action="sms:server:listTask", resource=RESOURCE
)
def list_tasks(  # noqa: PLR0913 - the API's filters
    ctx: Context,
    *,
    state: StateFilter | None = None,
    name: Text | None = None,
    id: Text | None = None,
    source_server_id: Text | None = None,
    limit: Limit = PAGE,
    offset: Offset = 0,
    enterprise_project_id: Text | None = None,
) -> ListTasksResponse:
    """List tasks, newest first.

    `name` matches any part of a name; a limit of 0 is the default, 50; `count` is of all that
    match, whatever the page. An enterprise project of all_granted_eps does not filter.
    """
    eps = enterprise_project_id
    filters = table.Filters(
        state=state,
        name=name or None,
        id=id or None,
        source_id=source_server_id or None,
        enterprise_project_id=None if eps in (None, "", "all_granted_eps") else eps,
    )
    projects = ctx.caller.projects
    with ctx.services.database.read() as db:
        count = table.count(db, projects, filters)
        page = table.page(db, projects, filters, limit=limit or PAGE, offset=offset)
        known = {row.id: row for row in sources.some(db, {task.source_id for task in page})}
    return ListTasksResponse(
        count=count,
        tasks=tuple(task_view.listed(task, known[task.source_id]) for task in page),
    )


@operation(
    "GET",
    "/v3/tasks/{task_id}",
    returns=ShowTaskResponse,
    access=Access.AGENT,
    action="sms:server:getTask",
    resource=RESOURCE,
    raises=(TaskNotFound,),
)
def show_task(ctx: Context, task_id: str) -> ShowTaskResponse:
    """Show a task: what was asked for, its sub-tasks, and how far it is."""
    with ctx.services.database.read() as db:
        task = tasks.visible(db, ctx.caller, task_id)
        source = sources.get(db, task.source_id)
        assert source is not None  # noqa: S101 - the task refers to it
        sizes = targets.sizes(task, source, _known_wishes(db, task))
    return task_view.full(task, source, sizes)


@operation(
    "PUT",
    "/v3/tasks/{task_id}",
    returns=UpdateTaskResponse,
    access=Access.AGENT,
    action="sms:server:updateTask",
    resource=RESOURCE,
    raises=(TaskNotFound, TaskRefuses, TypeStays, NotYourTemplate, NoIpv6Address),
)
def update_task(ctx: Context, task_id: str, body: PutTaskReq) -> UpdateTaskResponse:
    """Change a task; its template only while it is at rest, its type only before it is started.

    An agent cannot give its task another template: it would see what is in that.
    """
    with ctx.services.database.write() as db:
        task = tasks.visible(db, ctx.caller, task_id)
        if ctx.caller.source_id is not None:
            _insist_on_same_template(task, body.vm_template_id)
        _require_templates(db, task.project_id, vm_template_id=body.vm_template_id)
        require_way(ctx, tasks.save(db, task, _changed(task, body)))
    return UpdateTaskResponse(id=task_id)


@operation(
    "DELETE",
    "/v3/tasks/{task_id}",
    returns=Done,
    action="sms:server:deleteTask",
    resource=RESOURCE,
    raises=(TaskNotFound, TaskRunning),
)
def delete_task(ctx: Context, task_id: str) -> Done:
    """Delete a task, and its target unless the migration succeeded."""
    _delete(ctx, (task_id,))
    return Done()


@operation(
    "POST",
    "/v3/tasks/delete",
    returns=Done,
    action="sms:server:batchDeleteTask",
    resource=RESOURCE,
    raises=(TaskNotFound, TaskRunning),
)
def delete_tasks(ctx: Context, body: DeleteIds) -> Done:
    """Delete several tasks: all of them, or none if one cannot be deleted."""
    _delete(ctx, tuple(dict.fromkeys(body.ids)))
    return Done()


@operation(
    "POST",
    "/v3/tasks/{task_id}/action",
    returns=Done,
    action="sms:server:manageTask",
    resource=RESOURCE,
    raises=(TaskNotFound, TaskRefuses, TaskSuperseded, TemplateNotFound, BadTargetSpec, *STARTING),
)
def update_task_status(ctx: Context, task_id: str, body: UpdateTaskStatusReq) -> Done:
    """Start or stop a task, or have it do something else; docs/task-states.md says what when."""
    if body.switch_hce:
        raise InvalidRequest(
            "body field switch_hce: a system stays the distribution that it is; leave this out"
        )
    with ctx.services.database.write() as db:
        task = tasks.visible(db, ctx.caller, task_id)
        told = _with_check(db, _with_template(db, task, body), body)
        after = tasks.act(db, told, body.operation, wishes=_of_copy(db, task, body))
        if body.operation in SENDING:
            require_way(ctx, after)
        if body.operation in tasks.STARTS and after.server is None:
            targets.wishes(db, after, after.settings.vm_template_id)
    ctx.services.wake_runner()
    return Done()


def require_way(ctx: Context, task: Task) -> None:
    """Raise NoIpv6Address if the agent of a task that runs has no address to send to."""
    if task.state in MOVING_STATES:
        destination.host(task, ctx.services.config.outside_host)


def _delete(ctx: Context, task_ids: tuple[str, ...]) -> None:
    with ctx.services.database.write() as db:
        for task_id in task_ids:
            tasks.delete(db, tasks.visible(db, ctx.caller, task_id))
    ctx.services.wake_runner()


def _new(ctx: Context, db: sa.Connection, source: sa.Row[Any], body: PostTask) -> Task:
    report = msgspec.json.decode(source.report)
    os_type = OsType(report["os_type"])
    if body.os_type not in (None, os_type):
        raise InvalidRequest(f"body field os_type: the source server has {os_type}")
    if (body.type, os_type) not in FLOWS:
        raise InvalidRequest(f"body field type: {os_type} cannot be migrated by {body.type}")
    if why := destination.wrong(body.migration_ip, ipv6=body.use_ipv6):
        raise InvalidRequest(f"body field migration_ip: {why}")
    _require_templates(
        db,
        source.project_id,
        vm_template_id=body.vm_template_id,
        clonevm_template_id=body.clonevm_template_id,
    )
    return Task(
        id=str(uuid.uuid4()),
        project_id=source.project_id,
        source_id=source.id,
        name=body.name,
        type=body.type,
        os_type=os_type,
        state=TaskState.READY,
        enterprise_project_id=source.enterprise_project_id,
        create_date=now_ms(),
        settings=_settings(db, source, body),
        run=fresh_run(body.type, os_type),
        passphrase=ctx.services.keys.encrypt(secrets.token_urlsafe(24)),
    )


def _settings(db: sa.Connection, source: sa.Row[Any], body: PostTask) -> Settings:
    """What the body says, and the source's migration project where it says nothing."""
    defaults = migprojects.visible(db, (source.project_id,), source.migproject)
    said = {name: getattr(body, name) for name in OF_MIGPROJECTS}
    filled = {n: getattr(defaults, n) if value is None else value for n, value in said.items()}
    target = body.target_server
    return Settings(
        region_name=body.region_name,
        region_id=body.region_id,
        project_name=body.project_name,
        project_id=body.project_id,
        priority=body.priority,
        migration_ip=body.migration_ip,
        vm_template_id=body.vm_template_id,
        clonevm_template_id=body.clonevm_template_id,
        use_ipv6=body.use_ipv6,
        over_speed_threshold=body.over_speed_threshold,
        is_need_consistency_check=body.is_need_consistency_check,
        need_migration_test=body.need_migration_test,
        target_name=target.name or _named_by_template(db, body, source),
        target_vm_id=target.vm_id,
        target_disks=_wanted_disks(source, target.disks or ()),
        target_volume_groups=target.volume_groups or (),
        target_btrfs=target.btrfs_list or (),
        **filled,
    )


def _named_by_template(db: sa.Connection, body: PostTask, source: sa.Row[Any]) -> str:
    """An empty name of the target is the template's, or the source's."""
    if body.vm_template_id:
        row = templates.visible(db, (source.project_id,), body.vm_template_id)
        if name := msgspec.json.decode(row.document).get("target_server_name"):
            return str(name)
    return str(source.name)


def _wanted_disks(source: sa.Row[Any], disks: tuple[TargetDisks, ...]) -> tuple[WantedDisk, ...]:
    """Raise InvalidRequest if a disk cannot take in the source's of its name."""
    sizes = {d["name"]: d["size"] for d in msgspec.json.decode(source.target)["disks"]}
    for number, disk in enumerate(disks):
        place = f"body field target_server.disks[{number}]"
        if disk.name is not None and disk.name not in sizes:
            raise InvalidRequest(f"{place}.name: {disk.name!r} is no disk that will be migrated")
        if disk.name and disk.size is not None and disk.size < sizes[disk.name]:
            raise InvalidRequest(f"{place}.size: at least {sizes[disk.name]} bytes are needed")
    return tuple(
        WantedDisk(
            name=disk.name,
            size=disk.size,
            used_size=disk.used_size,
            device_use=disk.device_use,
            disk_id=disk.disk_id,
        )
        for disk in disks
        if disk.name
    )


def _with_template(db: sa.Connection, task: Task, body: UpdateTaskStatusReq) -> Task:
    """The task as it is to be started: with the named template for its target, if one is named."""
    if not body.template_id:
        return task
    if body.operation not in (*tasks.STARTS, *TRIES):
        raise InvalidRequest(f"body field template_id: {body.operation} makes no server")
    _require_templates(db, task.project_id, template_id=body.template_id)
    if body.operation in TRIES:
        return task
    settings = replace(task.settings, vm_template_id=body.template_id)
    return tasks.save(db, task, replace(task, settings=settings))


def _with_check(db: sa.Connection, task: Task, body: UpdateTaskStatusReq) -> Task:
    """The task with whether both ends are compared at the end, for the command that follows."""
    if (wanted := body.is_need_consistency_check) is None:
        return task
    settings = replace(task.settings, is_need_consistency_check=wanted)
    return tasks.save(db, task, replace(task, settings=settings))


def _of_copy(db: sa.Connection, task: Task, body: UpdateTaskStatusReq) -> Wishes:
    """How large the machine of a test is to be. Raises TemplateNotFound and BadTargetSpec."""
    if body.operation not in TRIES:
        return Wishes()
    template_id = body.template_id or task.settings.clonevm_template_id
    return targets.wishes(db, task, template_id)


def _known_wishes(db: sa.Connection, task: Task) -> Wishes:
    """Nothing of a template that went, or can no longer be followed."""
    try:
        return targets.wishes(db, task, task.settings.vm_template_id)
    except (TemplateNotFound, BadTargetSpec):
        return Wishes()


def _require_templates(db: sa.Connection, project_id: str, **ids: str | None) -> None:
    """Raise InvalidRequest, naming the field, if there is no such template, or none to follow."""
    for name, template_id in ids.items():
        if template_id:
            try:
                wishes.read(templates.visible(db, (project_id,), template_id).document)
            except (TemplateNotFound, BadTargetSpec) as e:
                raise InvalidRequest(f"body field {name}: {e}") from e


def _insist_on_same_template(task: Task, template_id: str | None) -> None:
    if template_id not in (None, task.settings.vm_template_id):
        raise NotYourTemplate(template_id or "")


def _changed(task: Task, body: PutTaskReq) -> Task:
    """The task with what the body says. Raises TaskRefuses, TypeStays, and InvalidRequest."""
    type_ = body.type or task.type
    template = task.settings.vm_template_id if body.vm_template_id is None else body.vm_template_id
    if (type_, template) != (task.type, task.settings.vm_template_id) and task.state in BUSY_STATES:
        raise TaskRefuses(task.state, "change its type or template", ())
    if type_ != task.type and task.state is not TaskState.READY:
        raise TypeStays(task.id, task.type)
    if (type_, task.os_type) not in FLOWS:
        raise InvalidRequest(f"body field type: {task.os_type} cannot be migrated by {type_}")
    names = ("region_id", "region_name", "exist_server", "migration_ip", "use_ipv6",
             "use_public_ip", "speed_limit", "project_name", "project_id", "image_disk_id",
             "vm_template_id", "target_disk_ids", "snapshot_ids", "cutovered_snapshot_ids",
             "clone_server")  # fmt: skip
    said = {name: getattr(body, name) for name in names}
    settings = replace(task.settings, **{n: v for n, v in said.items() if v is not None})
    if (body.migration_ip, body.use_ipv6) != (None, None):
        _require_addresses(replace(task, settings=settings))
    if body.target_server is not None:
        settings = _with_target(settings, body.target_server)
    run = task.run if type_ == task.type else fresh_run(type_, task.os_type)
    return replace(
        task,
        name=body.name or task.name,
        type=TaskType(type_),
        enterprise_project_id=(
            task.enterprise_project_id
            if body.enterprise_project is None
            else body.enterprise_project
        ),
        settings=settings,
        run=run,
    )


def _require_addresses(task: Task) -> None:
    """Raise InvalidRequest if an address that is set is none, or not of use_ipv6's kind."""
    addresses = {
        "migration_ip": task.settings.migration_ip,
        "use_ipv6, with MIGRATE_DST_IP": destination.configured(task),
    }
    for field, address in addresses.items():
        if why := destination.wrong(address, ipv6=task.settings.use_ipv6):
            raise InvalidRequest(f"body field {field}: {why}")


def _with_target(settings: Settings, target: TargetServer) -> Settings:
    """What a client says of the target, kept with the task."""
    news: dict[str, Any] = {
        "target_name": target.name,
        "target_vm_id": target.vm_id or target.id,
        "target_ip": target.ip,
        "image_disk_id": target.image_disk_id,
        "snapshot_ids": target.snapshot_ids,
        "cutovered_snapshot_ids": target.cutovered_snapshot_ids,
        "target_volume_groups": target.volume_groups,
        "target_btrfs": target.btrfs_list,
    }
    return replace(settings, **{n: v for n, v in news.items() if v is not None})


OPERATIONS = (
    create_task,
    list_tasks,
    show_task,
    update_task,
    delete_task,
    delete_tasks,
    update_task_status,
)
