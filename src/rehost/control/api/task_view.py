"""The answers about tasks, and how they are made of what is stored."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from rehost.control import targets, tasks, trials
from rehost.control.api.source_body import InitTargetServer, Millis
from rehost.control.api.task_body import (
    ConfigBody,
    NetworkCheckInfoRequestBody,
    TargetDisk,
    TargetPhysicalVolumes,
)
from rehost.control.clock import now_ms
from rehost.control.task_record import PhaseState, Task
from rehost.model import target as model
from rehost.model.disk import DeviceUse, Partition, VolumeGroup
from rehost.model.server import OsType
from rehost.model.source import MigrationCycle, SourceState
from rehost.model.task import CloneServer, LogCollectStatus, TaskState, TaskType


@dataclass(frozen=True, slots=True, kw_only=True)
class SubTask:
    """`end_date` once it is done. `migrate_speed` is Mbit/s."""

    id: int
    name: str
    progress: int
    start_date: Millis | None
    end_date: Millis | None
    migrate_speed: float | None
    user_op: str
    process_trace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubTaskAssociatedWithTask:
    id: int
    name: str
    progress: int
    start_date: Millis | None
    end_date: Millis | None
    process_trace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceServerAssociatedWithTask:
    id: str
    ip: str
    name: str
    os_type: OsType
    os_version: str
    oem_system: bool | None
    state: SourceState


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceServerResponse(SourceServerAssociatedWithTask):
    migration_cycle: MigrationCycle


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetServerAssociatedWithTask:
    id: str
    vm_id: str
    name: str
    ip: str
    os_type: OsType
    os_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTargetServer(TargetServerAssociatedWithTask):
    """`disks` are those that exist, or those that will be made."""

    system_dir: str
    disks: tuple[TargetDisk, ...]
    volume_groups: tuple[VolumeGroup, ...]
    btrfs_list: tuple[str, ...]
    image_disk_id: str
    cutovered_snapshot_ids: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneServerBrief:
    vm_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """What every answer about a task has. Speeds are Mbit/s; `total_time` is seconds."""

    id: str
    name: str
    type: TaskType
    os_type: OsType
    state: TaskState
    priority: int
    speed_limit: int
    start_target_server: bool
    enterprise_project_id: str
    migration_ip: str
    estimate_complete_time: Millis | None
    create_date: Millis
    migrate_speed: float | None
    compress_rate: float | None
    error_json: str
    total_time: int
    network_check_info: NetworkCheckInfoRequestBody | None
    total_cpu_usage: float | None
    agent_cpu_usage: float | None
    total_mem_usage: float | None
    agent_mem_usage: float | None
    total_disk_io: float | None
    agent_disk_io: float | None
    need_migration_test: bool
    subtask_info: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksResponseBody(_Task):
    """What a list shows of a task."""

    sub_tasks: tuple[SubTaskAssociatedWithTask, ...]
    source_server: SourceServerAssociatedWithTask
    target_server: TargetServerAssociatedWithTask
    log_collect_status: LogCollectStatus
    clone_server: CloneServerBrief | None
    syncing: bool
    special_config: tuple[ConfigBody, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowTaskResponse(_Task):
    """A task in full."""

    region_id: str
    region_name: str
    project_name: str
    project_id: str
    vm_template_id: str
    source_server: SourceServerResponse
    target_server: TaskTargetServer
    connected: bool
    start_date: Millis | None
    finish_date: Millis | None
    float_ip: str
    remain_seconds: int | None
    target_snapshot_id: str
    clone_server: CloneServer | None
    sub_tasks: tuple[SubTask, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListTasksResponse:
    count: int
    tasks: tuple[TasksResponseBody, ...]


def full(task: Task, source: sa.Row[Any], sizes: dict[str, int]) -> ShowTaskResponse:
    """`sizes` are of the disks that will be made, by name."""
    settings = task.settings
    return ShowTaskResponse(
        **_common(task),
        region_id=settings.region_id,
        region_name=settings.region_name,
        project_name=settings.project_name,
        project_id=settings.project_id,
        vm_template_id=settings.vm_template_id,
        source_server=SourceServerResponse(
            **_source(source), migration_cycle=MigrationCycle(source.migration_cycle)
        ),
        target_server=_target(task, source, sizes),
        connected=bool(source.connected),
        start_date=task.start_date,
        finish_date=task.finish_date,
        float_ip="",
        remain_seconds=task.run.remain_time,
        target_snapshot_id=settings.snapshot_ids,
        clone_server=trials.shown(task),
        sub_tasks=tuple(
            SubTask(**_phase(number, phase), migrate_speed=phase.migrate_speed, user_op="")
            for number, phase in enumerate(task.run.phases)
        ),
    )


def listed(task: Task, source: sa.Row[Any]) -> TasksResponseBody:
    return TasksResponseBody(
        **_common(task),
        sub_tasks=tuple(
            SubTaskAssociatedWithTask(**_phase(number, phase))
            for number, phase in enumerate(task.run.phases)
        ),
        source_server=SourceServerAssociatedWithTask(**_source(source)),
        target_server=TargetServerAssociatedWithTask(**_target_named(task, source)),
        log_collect_status=task.log.status,
        clone_server=_brief(trials.shown(task)),
        syncing=task.settings.syncing,
        special_config=tuple(configurations(task)),
    )


def _brief(clone: CloneServer | None) -> CloneServerBrief | None:
    if clone is None:
        return None
    return CloneServerBrief(vm_id=clone.vm_id or "", name=clone.name or "")


def configurations(task: Task, key: str | None = None) -> list[ConfigBody]:
    return [
        ConfigBody(
            config_key=c.config_key, config_value=c.config_value, config_status=c.config_status
        )
        for c in task.configurations
        if key is None or c.config_key == key
    ]


def _common(task: Task) -> dict[str, Any]:
    settings, run, check = task.settings, task.run, task.network_check
    names = ("total_cpu_usage", "agent_cpu_usage", "total_mem_usage", "agent_mem_usage",
             "total_disk_io", "agent_disk_io", "migrate_speed", "compress_rate")  # fmt: skip
    return {name: getattr(run, name) for name in names} | {
        "id": task.id,
        "name": task.name,
        "type": task.type,
        "os_type": task.os_type,
        "state": task.state,
        "priority": settings.priority,
        "speed_limit": settings.speed_limit,
        "start_target_server": settings.start_target_server,
        "enterprise_project_id": task.enterprise_project_id,
        "migration_ip": settings.migration_ip,
        "estimate_complete_time": task.run.estimate,
        "create_date": task.create_date,
        "error_json": task.error,
        "total_time": _seconds(task),
        "network_check_info": check and msgspec.convert(
            check, NetworkCheckInfoRequestBody, from_attributes=True
        ),
        "need_migration_test": settings.need_migration_test,
        "subtask_info": tasks.subtask_info(task),
    }  # fmt: skip


def _seconds(task: Task) -> int:
    """How long it has been at it since its first start; until it finished."""
    if task.start_date is None:
        return 0
    return max(0, (task.finish_date or now_ms()) - task.start_date) // 1000


def _phase(number: int, phase: PhaseState) -> dict[str, Any]:
    return {
        "id": number,
        "name": phase.name,
        "progress": phase.progress,
        "start_date": phase.start_date,
        "end_date": phase.end_date,
        "process_trace": phase.process_trace,
    }


def _source(source: sa.Row[Any]) -> dict[str, Any]:
    report = msgspec.json.decode(source.report)
    return {
        "id": source.id,
        "ip": source.ip or source.ipv6,
        "name": source.name,
        "os_type": OsType(report["os_type"]),
        "os_version": report["os_version"],
        "oem_system": report.get("oem_system"),
        "state": SourceState(source.state),
    }


def _target_named(task: Task, source: sa.Row[Any]) -> dict[str, Any]:
    settings = task.settings
    server_id = tasks.target_id(task)
    return {
        "id": server_id,
        "vm_id": server_id,
        "name": settings.target_name,
        "ip": settings.target_ip,
        "os_type": task.os_type,
        "os_version": msgspec.json.decode(source.report)["os_version"],
    }


def _target(task: Task, source: sa.Row[Any], sizes: dict[str, int]) -> TaskTargetServer:
    report = msgspec.json.decode(source.report)
    recommended = msgspec.json.decode(source.target, type=InitTargetServer)
    return TaskTargetServer(
        **_target_named(task, source),
        system_dir=report.get("system_dir") or "",
        disks=tuple(_disks(task, targets.disks(task, source), report, sizes)),
        volume_groups=recommended.volume_groups,
        btrfs_list=tuple(b["name"] for b in report.get("btrfs_list") or () if b.get("name")),
        image_disk_id=task.settings.image_disk_id,
        cutovered_snapshot_ids=task.settings.cutovered_snapshot_ids,
    )


def _disks(
    task: Task,
    migrated: tuple[model.TargetDisk, ...],
    report: dict[str, Any],
    sizes: dict[str, int],
) -> Iterator[TargetDisk]:
    server = task.server
    made = {d.name: d.size for d in server.disks} if server else {}
    ids = {d.name: d.disk_id for d in task.settings.target_disks}
    if server:
        ids |= {d.name: f"{server.id}/{d.path.name}" for d in server.disks}
    described = {d["name"]: d for d in report.get("disks") or ()}
    for number, disk in enumerate(migrated):
        known = described.get(disk.name, {})
        yield TargetDisk(
            id=number,
            device_use=disk.device_use,
            disk_id=ids.get(disk.name),
            name=disk.name,
            physical_volumes=tuple(_volume(n, v) for n, v in enumerate(disk.physical_volumes)),
            size=made[disk.name] if made else sizes[disk.name],
            used_size=disk.used_size,
            disk_index=str(number),
            os_disk=known.get("os_disk"),
            partition_style=known.get("partition_style"),
            relation_name=known.get("relation_name"),
        )


def _volume(number: int, volume: Partition) -> TargetPhysicalVolumes:
    return TargetPhysicalVolumes(
        id=number,
        device_use=DeviceUse(volume.device_use) if volume.device_use in list(DeviceUse) else None,
        file_system=volume.file_system,
        index=volume.index,
        mount_point=volume.mount_point,
        name=volume.name,
        size=volume.size,
        used_size=volume.used_size,
        uuid=volume.uuid,
    )
