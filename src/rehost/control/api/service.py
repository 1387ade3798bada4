"""The service itself: its versions, its configuration, and its sources at a glance."""

import json
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

import rehost
from rehost.control.operation import Access, Context, operation
from rehost.control.store import sources as table
from rehost.control.store import tasks
from rehost.control.task_record import Task
from rehost.errors import PathNotFound
from rehost.model.limits import Meta, Text
from rehost.model.source import SourceState

UPDATED = "2026-11-24T00:00:00Z"
ErrorLimit = Annotated[int, Meta(ge=0, le=100)]
ErrorOffset = Annotated[int, Meta(ge=0, le=65535)]
ERROR_PAGE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    href: str
    rel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    id: str
    status: str
    updated: str
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowApiVersionResponse(Version):
    """`version` repeats it in the form that Keystone's clients look for."""

    version: Version


@dataclass(frozen=True, slots=True, kw_only=True)
class ListApiVersionResponse:
    versions: tuple[Version, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowConfigResponse:
    config: dict[str, str]
    regions: tuple[dict[str, str], ...]


# States that the overview has no count for.
COUNTS_AS = {
    SourceState.PREMIGREADY: SourceState.SYNCING,
    SourceState.PREMIGING: SourceState.CLONING,
    SourceState.PREMIGED: SourceState.SYNCING,
    SourceState.PREMIGFAILED: SourceState.SYNCING,
    SourceState.CLEARING: SourceState.SYNCING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowOverviewResponse:
    """Sources by state; `unconfigured` are those waiting for a task to be set up.

    A source in a migration drill counts as cloning; before and after it, as syncing.
    """

    waiting: int
    replicate: int
    syncing: int
    stopped: int
    deleting: int
    cutovering: int
    unavailable: int
    stopping: int
    skipping: int
    finished: int
    initialize: int
    error: int
    cloning: int
    unconfigured: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationErrors:
    """`error_json` holds the checks that failed, or the task's error."""

    error_json: str
    host_name: str
    name: str
    source_id: str
    source_ip: str
    target_ip: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListErrorServersResponse:
    count: int
    migration_errors: tuple[MigrationErrors, ...]


@operation("GET", "/", returns=ListApiVersionResponse, access=Access.ANYONE, inline=True)
def list_api_version(ctx: Context) -> ListApiVersionResponse:
    """List the versions of the API."""
    return ListApiVersionResponse(versions=(_v3(ctx),))


@operation(
    "GET",
    "/{version}",
    returns=ShowApiVersionResponse,
    access=Access.ANYONE,
    raises=(PathNotFound,),
    inline=True,
)
def show_api_version(ctx: Context, version: str) -> ShowApiVersionResponse:
    """Show a version of the API."""
    if version != "v3":
        raise PathNotFound("GET", f"/{version}")
    return _show_v3(ctx)


@operation("GET", "/v3", returns=ShowApiVersionResponse, access=Access.ANYONE, inline=True)
def show_version_3(ctx: Context) -> ShowApiVersionResponse:
    """Show version 3 of the API."""
    # The router goes down the fixed name "v3" and does not come back for "/{version}".
    return _show_v3(ctx)


@operation(
    "GET",
    "/v3/config",
    returns=ShowConfigResponse,
    access=Access.AGENT,
    action="sms::getConfig",
    resource="the configuration",
    inline=True,
)
def show_config(ctx: Context) -> ShowConfigResponse:
    """Show what agents need to know of the service."""
    config = ctx.services.config
    return ShowConfigResponse(
        config={
            "poll_interval": str(config.poll_interval),
            "service_version": rehost.__version__,
        },
        regions=({"id": config.region, "name": config.region},),
    )


@operation(
    "GET", "/v3/sources/overview", returns=ShowOverviewResponse, action="sms:server:overview"
)
def show_overview(ctx: Context) -> ShowOverviewResponse:
    """Count the source servers in each state."""
    with ctx.services.database.read() as db:
        counts = table.count_by_state(db, ctx.caller.projects)
        unconfigured = table.count_unconfigured(db, ctx.caller.projects)
    for state, shown in COUNTS_AS.items():
        counts[shown] = counts.get(shown, 0) + counts.pop(state, 0)
    names = (f for f in ShowOverviewResponse.__dataclass_fields__ if f != "unconfigured")
    return ShowOverviewResponse(
        **{name: counts.get(name, 0) for name in names}, unconfigured=unconfigured
    )


@operation("GET", "/v3/errors", returns=ListErrorServersResponse, action="sms:server:listErrors")
def list_error_servers(
    ctx: Context,
    limit: ErrorLimit = ERROR_PAGE,
    offset: ErrorOffset = 0,
    enterprise_project_id: Text | None = None,
) -> ListErrorServersResponse:
    """List the source servers that cannot go on, and why."""
    wanted = None if enterprise_project_id in ("", "all_granted_eps") else enterprise_project_id
    filters = table.Filters(failed=True, enterprise_project_id=wanted)
    with ctx.services.database.read() as db:
        count = table.count(db, ctx.caller.projects, filters)
        rows = table.page(
            db, ctx.caller.projects, filters, limit=limit or ERROR_PAGE, offset=offset
        )
        errors = tuple(_error(row, tasks.current(db, row.id)) for row in rows)
    return ListErrorServersResponse(count=count, migration_errors=errors)


def _v3(ctx: Context) -> Version:
    return Version(
        id="v3",
        status="CURRENT",
        updated=UPDATED,
        links=(Link(href=f"{ctx.base_url}/v3", rel="self"),),
    )


def _show_v3(ctx: Context) -> ShowApiVersionResponse:
    v3 = _v3(ctx)
    return ShowApiVersionResponse(
        id=v3.id, status=v3.status, updated=v3.updated, links=v3.links, version=v3
    )


def _error(row: Any, task: Task | None) -> MigrationErrors:  # noqa: ANN401 - a row of sources
    report = msgspec.json.decode(row.report)
    return MigrationErrors(
        error_json=json.dumps(_failures(row, task)),
        host_name=report.get("hostname") or "",
        name=row.name,
        source_id=row.id,
        source_ip=row.ip or row.ipv6,
        target_ip=task.settings.target_ip if task is not None else "",
    )


def _failures(row: Any, task: Task | None) -> list[Any]:  # noqa: ANN401 - a row of sources
    if row.state == SourceState.UNAVAILABLE:
        return [c for c in msgspec.json.decode(row.checks_en) if c["result"] == "ERROR"]
    return [msgspec.json.decode(task.error)] if task is not None and task.error else []


OPERATIONS = (
    list_api_version,
    show_api_version,
    show_version_3,
    show_config,
    show_overview,
    list_error_servers,
)
