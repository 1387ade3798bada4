"""Source servers: registered, shown, listed, renamed, deleted."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated

from rehost.control import document, registration
from rehost.control.api.source_body import ListServersResponse, ShowServerResponse
from rehost.control.operation import Access, Context, operation
from rehost.control.store import migprojects
from rehost.control.store import sources as table
from rehost.control.store.hot import HotReader
from rehost.errors import InvalidRequest, NotAuthenticated, SourceBusy, SourceExists, SourceNotFound
from rehost.model.disk import Btrfs, Disk, VolumeGroup
from rehost.model.language import Language
from rehost.model.limits import Long, Meta, Name, Text
from rehost.model.server import Report
from rehost.model.source import MigrationCycle, SourceState
from rehost.model.target import DiskChoice

Limit = Annotated[int, Meta(ge=0, le=200)]
Offset = Annotated[int, Meta(ge=0, le=65535)]
FULL_PAGE = 200  # what limit=0 means

HOT_COLUMNS = (
    "id", "project_id", "name", "add_date", "state", "connected", "migration_cycle",
    "state_action_time", "stage_action_time", "last_visit_time", "replicatesize", "totalsize",
    "enterprise_project_id", "summary", "inventory", "checks_en", "checks_zh", "target", "task",
)  # fmt: skip
SHOW = f"SELECT {', '.join(HOT_COLUMNS)} FROM sources WHERE id = ?"  # noqa: S608 - our own names


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterServerResponse:
    """`agent_token` is the credential of our own agent for this source; it is shown only here."""

    id: str
    agent_token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PutDiskInfoReq:
    """What is left out stays as it was."""

    disks: tuple[Disk, ...] | None = None
    volumegroups: tuple[VolumeGroup, ...] | None = None
    btrfs_list: tuple[Btrfs, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PutVolume:
    """A part of a disk. Disks are copied whole: it can be neither left out nor resized."""

    id: Text | None = None
    need_migration: bool | None = None
    adjust_size: Long | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PutDisk(DiskChoice):
    physical_volumes: tuple[PutVolume, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PutVolumeGroup(PutVolume):
    logical_volumes: tuple[PutVolume, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PutSourceServerBody:
    """What is left out stays as it was."""

    name: Name | None = None
    migprojectid: Text | None = None
    disks: tuple[PutDisk, ...] = ()
    volume_groups: tuple[PutVolumeGroup, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteIds:
    ids: Annotated[tuple[Text, ...], Meta(min_length=1, max_length=200)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Nothing to say but that it is done."""


@dataclass(frozen=True, slots=True)
class Hot:
    """An answer, and the project whose callers may have it."""

    project_id: str
    answer: bytes


@operation(
    "GET",
    "/v3/sources/{source_id}",
    returns=ShowServerResponse,
    access=Access.AGENT,
    action="sms:server:get",
    raises=(SourceNotFound,),
    inline=True,
)
def show_server(ctx: Context, source_id: str) -> bytes:
    """Show a source server: what it is, its checks, its recommended target, its current task."""
    ctx.require_own(source_id)
    language = ctx.language
    key = ("source", source_id, language)
    hot = ctx.services.hot.also(key, lambda db: _load(db, source_id, language), size=_size)
    if hot is None or hot.project_id not in ctx.caller.projects:
        raise SourceNotFound(source_id)
    return hot.answer


@operation("GET", "/v3/sources", returns=ListServersResponse, action="sms:server:list")
def list_servers(  # noqa: PLR0913 - the API's filters
    ctx: Context,
    *,
    state: SourceState | None = None,
    name: Text | None = None,
    id: Text | None = None,
    ip: Text | None = None,
    ipv6: Text | None = None,
    migproject: Text | None = None,
    limit: Limit = FULL_PAGE,
    offset: Offset = 0,
    migration_cycle: MigrationCycle | None = None,
    connected: bool | None = None,
    enterprise_project_id: Text | None = None,
    is_consistency_result_exist: bool | None = None,
    vm_id: Text | None = None,
) -> bytes:
    """List source servers, newest first.

    `name` matches any part of a name; a limit of 0 is the default, 200; `count` is of all that
    match, whatever the page. An enterprise project of all_granted_eps does not filter.
    """
    filters = table.Filters(
        state=state,
        name=name or None,
        id=id or None,
        ip=ip or None,
        ipv6=ipv6 or None,
        migproject=migproject or None,
        migration_cycle=migration_cycle,
        connected=connected,
        enterprise_project_id=_enterprise_project(enterprise_project_id),
        is_consistency_result_exist=is_consistency_result_exist,
        vm_id=vm_id or None,
    )
    projects = ctx.caller.projects
    with ctx.services.database.read() as db:
        count = table.count(db, projects, filters)
        rows = table.page(db, projects, filters, limit=limit or FULL_PAGE, offset=offset)
    entries = ",".join(document.listed(row, ctx.language) for row in rows)
    return f'{{"count":{count},"source_servers":[{entries}]}}'.encode()


@operation(
    "POST",
    "/v3/sources",
    returns=RegisterServerResponse,
    access=Access.ENROLLED,
    action="sms:server:register",
    raises=(SourceExists, NotAuthenticated),
)
def register_server(ctx: Context, body: Report) -> RegisterServerResponse:
    """Register a source server, or update it if it is the same machine again."""
    source_id, agent_token = registration.register(
        ctx.services, ctx.caller, body, client_ip=ctx.client_ip
    )
    return RegisterServerResponse(id=source_id, agent_token=agent_token)


@operation(
    "PUT",
    "/v3/sources/{source_id}/diskinfo",
    returns=Done,
    access=Access.AGENT,
    action="sms:server:updateDiskInfo",
    raises=(SourceNotFound,),
)
def update_disk_info(ctx: Context, source_id: str, body: PutDiskInfoReq) -> Done:
    """Report the disks of a source server anew; its checks and target follow."""
    ctx.require_own(source_id)
    registration.update_disks(
        ctx.services,
        ctx.caller,
        source_id,
        disks=body.disks,
        volume_groups=body.volumegroups,
        btrfs_list=body.btrfs_list,
    )
    return Done()


@operation(
    "PUT",
    "/v3/sources/{source_id}",
    returns=Done,
    action="sms:server:update",
    raises=(SourceNotFound, InvalidRequest),
)
def update_server_name(ctx: Context, source_id: str, body: PutSourceServerBody) -> Done:
    """Rename a source server, move it to a migration project, or adjust its target's disks."""
    _refuse_volumes(body)
    changes = {"name": body.name, "migproject": body.migprojectid or None}
    with ctx.services.database.write() as db:
        row = registration.visible(db, ctx.caller, source_id)
        if body.migprojectid:
            migprojects.require_for_source(db, row.project_id, body.migprojectid)
        if body.disks:
            registration.choose(db, row, body.disks)
        if values := {k: v for k, v in changes.items() if v is not None}:
            table.update(db, source_id, values)
    return Done()


@operation(
    "DELETE",
    "/v3/sources/{source_id}",
    returns=Done,
    action="sms:server:delete",
    raises=(SourceNotFound, SourceBusy),
)
def delete_server(ctx: Context, source_id: str) -> Done:
    """Delete a source server; its agent's credential ends with it."""
    registration.delete(ctx.services, ctx.caller, (source_id,))
    return Done()


@operation(
    "POST",
    "/v3/sources/delete",
    returns=Done,
    action="sms:server:batchDelete",
    raises=(SourceNotFound, SourceBusy),
)
def delete_servers(ctx: Context, body: DeleteIds) -> Done:
    """Delete several source servers: all of them, or none if one cannot be deleted."""
    registration.delete(ctx.services, ctx.caller, body.ids)
    return Done()


def _load(db: HotReader, source_id: str, language: Language) -> Hot | None:
    values = db.row(SHOW, source_id)
    if values is None:
        return None
    row = SimpleNamespace(**dict(zip(HOT_COLUMNS, values, strict=True)))
    return Hot(row.project_id, document.full(row, language))


def _size(hot: Hot | None) -> int:
    return len(hot.answer) if hot else 0


def _refuse_volumes(body: PutSourceServerBody) -> None:
    groups = body.volume_groups
    volumes = [*groups, *(v for group in groups for v in group.logical_volumes)]
    volumes += [v for disk in body.disks for v in disk.physical_volumes]
    for volume in volumes:
        if volume.need_migration is False or volume.adjust_size:
            raise InvalidRequest(
                f"volume {volume.id!r} can be neither left out nor resized: block-level migration "
                "copies disks whole; adjust its disk"
            )


def _enterprise_project(wanted: str | None) -> str | None:
    return None if wanted in (None, "", "all_granted_eps") else wanted


OPERATIONS = (
    show_server,
    list_servers,
    register_server,
    update_disk_info,
    update_server_name,
    delete_server,
    delete_servers,
)
