"""Starts of a task's target, and of copies that are tried: what came of them, what they showed."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec

from rehost.control import launching, tasks
from rehost.control.api.source_body import Millis
from rehost.control.api.tasks import RESOURCE
from rehost.control.operation import Context, Reply, operation
from rehost.control.services import Services
from rehost.control.task_record import Launch, LaunchState, Task
from rehost.model.limits import Long
from rehost.stages.launch import Outcome
from rehost.task_errors import LaunchNotFound, TaskNotFound

TEXT = "text/plain"
PNG = "image/png"


class Kind(StrEnum):
    """`final` is the target's own start, `test` that of a copy of it."""

    FINAL = "final"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchError:
    error_code: str
    error_msg: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownLaunch:
    """A start. Times are the service's, in ms since the epoch.

    `cut_at` is the moment of the source that the disks hold, `frozen_ms` how long the source stood
    still for it; `boot_at` is when the machine was started, `up_at` when it was up; `downtime_ms`,
    of a final start, is from the cut until then. `stands`: the machine, or what was changed to
    start it, is there. `changed`: what was done to make it start, in sentences. `outcome` is the
    verdict, once there is one: up, failed or unknown, and `why`; while a test is wanted, `why` says
    what keeps it waiting, if anything is amiss. `is_drill`: the test was asked for as a migration
    drill; `cpus` and `memory` (bytes): what its template wants, None as the target has it.
    """

    kind: Kind
    state: LaunchState
    server_id: str
    stands: bool
    cut_at: Millis | None
    frozen_ms: float | None
    boot_at: Millis | None
    up_at: Millis | None
    downtime_ms: int | None
    changed: tuple[str, ...]
    runs_on: str
    outcome: Outcome | None
    why: str
    last_lines: tuple[str, ...]
    failed_units: tuple[str, ...]
    not_frozen: tuple[tuple[str, str], ...]
    failed_hooks: tuple[str, ...]
    has_screenshot: bool
    error: LaunchError | None
    is_drill: bool = False
    cpus: int | None = None
    memory: Long | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListLaunchesResponse:
    launches: tuple[ShownLaunch, ...]


@operation(
    "GET",
    "/v3/rehost/tasks/{task_id}/launches",
    returns=ListLaunchesResponse,
    action="sms:server:getTask",
    resource=RESOURCE,
    raises=(TaskNotFound,),
)
def list_launches(ctx: Context, task_id: str) -> ListLaunchesResponse:
    """List the starts of a task's target: the last test, and its own."""
    with ctx.services.database.read() as db:
        task = tasks.visible(db, ctx.caller, task_id)
    found = {Kind.TEST: task.trial, Kind.FINAL: task.launch}
    return ListLaunchesResponse(
        launches=tuple(_shown(task, kind, launch) for kind, launch in found.items() if launch)
    )


@operation(
    "GET",
    "/v3/rehost/tasks/{task_id}/launches/{kind}/console",
    returns=bytes,
    action="rehost:task:readConsole",
    resource=RESOURCE,
    raises=(TaskNotFound, LaunchNotFound),
    gives=TEXT,
)
def show_console(ctx: Context, task_id: str, kind: Kind) -> Reply:
    """Download what a start said on its serial console until its verdict."""
    return Reply(body=_kept(ctx, task_id, kind, launching.CONSOLE, "console"))


@operation(
    "GET",
    "/v3/rehost/tasks/{task_id}/launches/{kind}/screenshot",
    returns=bytes,
    action="rehost:task:readConsole",
    resource=RESOURCE,
    raises=(TaskNotFound, LaunchNotFound),
    gives=PNG,
)
def show_screenshot(ctx: Context, task_id: str, kind: Kind) -> Reply:
    """Download what a start showed on its screen at its verdict."""
    return Reply(body=_kept(ctx, task_id, kind, launching.SCREENSHOT, "screenshot"))


def _kept(ctx: Context, task_id: str, kind: Kind, name: str, what: str) -> bytes:
    with ctx.services.database.read() as db:
        task = tasks.visible(db, ctx.caller, task_id)
    launch = task.trial if kind is Kind.TEST else task.launch
    missing = LaunchNotFound(task_id, f"{what} of a {kind} start")
    if launch is None or not launch.outcome:
        raise missing  # what is kept is of an earlier one
    try:
        return (folder(ctx.services, task_id) / kind / name).read_bytes()
    except FileNotFoundError as e:
        raise missing from e


def folder(services: Services, task_id: str) -> Path:
    """Where is kept what starts said. The id is one of ours, a UUID."""
    return services.config.data / "launches" / task_id


def _shown(task: Task, kind: Kind, launch: Launch) -> ShownLaunch:
    point = task.run.point(launch.point)
    downtime = None
    if kind is Kind.FINAL and launch.up_at is not None and launch.cut_at is not None:
        downtime = launch.up_at - launch.cut_at
    return ShownLaunch(
        kind=kind,
        state=launch.state,
        server_id=launch.server.id if launch.server else "",
        stands=launch.stands and launch.server is not None,
        cut_at=launch.cut_at,
        frozen_ms=point.duration_ms if point else None,
        boot_at=launch.boot_at,
        up_at=launch.up_at,
        downtime_ms=downtime,
        changed=launch.changed,
        runs_on=launch.runs_on,
        outcome=Outcome(launch.outcome) if launch.outcome else None,
        why=launch.why,
        last_lines=launch.last_lines,
        failed_units=launch.failed_units,
        not_frozen=point.skipped if point else (),
        failed_hooks=point.failed_hooks if point else (),
        has_screenshot=launch.has_screenshot,
        is_drill=launch.is_drill,
        cpus=launch.cpus,
        memory=launch.memory,
        error=msgspec.json.decode(launch.error, type=LaunchError) if launch.error else None,
    )


OPERATIONS = (list_launches, show_console, show_screenshot)
