"""How a task is to go about it: how fast at what time of day, and what its agent does otherwise."""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import msgspec

from rehost.control import destination, tasks
from rehost.control.api import task_view
from rehost.control.api.sources import Done
from rehost.control.api.task_body import ConfigBody, ConfigurationRequestBody, SpeedLimit
from rehost.control.api.tasks import RESOURCE, require_way
from rehost.control.operation import Access, Context, operation
from rehost.control.task_record import ConfigKey, Configuration, Task
from rehost.errors import InvalidRequest
from rehost.model.limits import Text
from rehost.model.server import OsType
from rehost.model.speed import SpeedRow, minute, overlap, whole_day
from rehost.model.task import TaskType
from rehost.provider_errors import BadProbe
from rehost.stages import launch
from rehost.task_errors import NoIpv6Address, TaskNotFound

# Their values are numbers: what the agent could not read is refused before it is kept.
NUMBERS = {
    ConfigKey.LINUX_BLOCK_COMPRESS_THREAD_NUM,
    ConfigKey.LINUX_BLOCK_CACHE_SIZE,
    ConfigKey.LINUX_CPU_LIMIT,
    ConfigKey.LINUX_MEM_LIMIT,
    ConfigKey.LINUX_IO_LIMIT,
    ConfigKey.NUM_PROCESS_MIGRATE,
    ConfigKey.NUM_PROCESS_SYNC,
}


CHOICES = {
    ConfigKey.ON_READ_ERROR: ("stop", "skip"),
    ConfigKey.TARGET_MAC: ("keep", "new"),
    ConfigKey.TARGET_NETWORK: ("keep", "dhcp"),
    ConfigKey.TARGET_IDENTITY: ("keep", "new"),
}
HOSTNAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")
LONGEST_HOSTNAME = 64  # Linux's HOST_NAME_MAX


class MigrateType(StrEnum):
    WINDOWS_MIGRATE_BLOCK = "WINDOWS_MIGRATE_BLOCK"
    LINUX_MIGRATE_FILE = "LINUX_MIGRATE_FILE"
    LINUX_MIGRATE_BLOCK = "LINUX_MIGRATE_BLOCK"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowsSpeedLimitsResponse:
    """By the clock of the source. Of two rows, none is about the same minute."""

    speed_limit: tuple[SpeedRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowConfigSettingResponse:
    task_id: str
    migrate_type: MigrateType
    configurations: tuple[ConfigBody, ...]


@operation(
    "GET",
    "/v3/tasks/{task_id}/speed-limit",
    returns=ShowsSpeedLimitsResponse,
    access=Access.AGENT,
    action="sms:server:getTaskSpeedLimit",
    resource=RESOURCE,
    raises=(TaskNotFound,),
)
def shows_speed_limits(ctx: Context, task_id: str) -> ShowsSpeedLimitsResponse:
    """Show how fast a task may go at what time of the day, Mbit/s; 0 is no limit.

    The rows that were set, and for the rest of the day the task's own limit. A row that ends
    where it starts, or before, goes on past midnight.
    """
    with ctx.services.database.read() as db:
        task = tasks.visible(db, ctx.caller, task_id)
    rows = whole_day(task.speed_limits, task.settings.speed_limit)
    threshold = task.settings.over_speed_threshold
    return ShowsSpeedLimitsResponse(speed_limit=tuple(_shown(row, threshold) for row in rows))


@operation(
    "POST",
    "/v3/tasks/{task_id}/speed-limit",
    returns=Done,
    action="sms:server:updateTaskSpeedLimit",
    resource=RESOURCE,
    raises=(TaskNotFound, InvalidRequest),
)
def update_speed(ctx: Context, task_id: str, body: SpeedLimit) -> Done:
    """Set how fast a task may go at what time of the day, in place of what was set before."""
    for number, row in enumerate(body.speed_limit):
        for name in ("start", "end"):
            if minute(getattr(row, name)) is None:
                place = f"body field speed_limit[{number}].{name}"
                raise InvalidRequest(f"{place}: {getattr(row, name)!r} is no time of a day")
    if (both := overlap(body.speed_limit)) is not None:
        texts = " and ".join(f"{row.start} to {row.end}" for row in both)
        raise InvalidRequest(f"body field speed_limit: {texts} overlap")
    with ctx.services.database.write() as db:
        task = tasks.visible(db, ctx.caller, task_id)
        tasks.save(db, task, replace(task, speed_limits=body.speed_limit))
    return Done()


@operation(
    "GET",
    "/v3/tasks/{task_id}/configuration-setting",
    returns=ShowConfigSettingResponse,
    access=Access.AGENT,
    action="rehost:task:getConfiguration",
    resource=RESOURCE,
    raises=(TaskNotFound,),
)
def show_config_setting(
    ctx: Context, task_id: str, *, config_key: Text | None = None
) -> ShowConfigSettingResponse:
    """Show what the agent of a task is to do otherwise; all of it, or one key."""
    with ctx.services.database.read() as db:
        task = tasks.visible(db, ctx.caller, task_id)
    return ShowConfigSettingResponse(
        task_id=task_id,
        migrate_type=_migrate_type(task),
        configurations=tuple(task_view.configurations(task, config_key or None)),
    )


@operation(
    "POST",
    "/v3/tasks/{task_id}/configuration-setting",
    returns=Done,
    action="rehost:task:configure",
    resource=RESOURCE,
    raises=(TaskNotFound, InvalidRequest, NoIpv6Address),
)
def upload_special_configuration_setting(
    ctx: Context, task_id: str, body: ConfigurationRequestBody
) -> Done:
    """Set what the agent of a task is to do otherwise. Keys that are not given stay."""
    given = {c.config_key: msgspec.convert(c, Configuration, from_attributes=True)
             for c in body.configurations}  # fmt: skip
    with ctx.services.database.write() as db:
        task = tasks.visible(db, ctx.caller, task_id)
        for number, each in enumerate(body.configurations):
            if (wrong := _wrong(each, task)) is not None:
                raise InvalidRequest(f"body field configurations[{number}].config_value: {wrong}")
        merged: dict[Any, Configuration] = {c.config_key: c for c in task.configurations} | given
        after = replace(task, configurations=tuple(merged.values()))
        require_way(ctx, tasks.save(db, task, after))
    return Done()


def _wrong(given: ConfigBody, task: Task) -> str | None:
    key, value = given.config_key, given.config_value
    if key in NUMBERS and not value.isdecimal():
        return f"{key} is a number"
    if value not in CHOICES.get(key, (value,)):
        return f"{key} is one of {', '.join(CHOICES[key])}"
    if key is ConfigKey.MIGRATE_DST_IP:
        return destination.wrong(value, ipv6=task.settings.use_ipv6)
    if key is ConfigKey.BOOT_PROBE and value:
        return _wrong_probe(value)
    if key is ConfigKey.TARGET_HOSTNAME and value:
        return _wrong_name(value)
    return None


def _wrong_probe(value: str) -> str | None:
    try:
        launch.parse(value)
    except BadProbe as e:
        return str(e)
    return None


def _wrong_name(value: str) -> str | None:
    if len(value) > LONGEST_HOSTNAME:
        return f"the name of a host has at most {LONGEST_HOSTNAME} characters"
    if not HOSTNAME.fullmatch(value):
        return f"{value!r} is no name for a host"
    return None


def _shown(row: SpeedRow, threshold: float) -> SpeedRow:
    own = row.over_speed_threshold
    return replace(row, over_speed_threshold=threshold if own is None else own)


def _migrate_type(task: Task) -> MigrateType:
    if task.os_type is OsType.WINDOWS:
        return MigrateType.WINDOWS_MIGRATE_BLOCK
    by_file = task.type is TaskType.MIGRATE_FILE
    return MigrateType.LINUX_MIGRATE_FILE if by_file else MigrateType.LINUX_MIGRATE_BLOCK


OPERATIONS = (
    shows_speed_limits,
    update_speed,
    show_config_setting,
    upload_special_configuration_setting,
)
