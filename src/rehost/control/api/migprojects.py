"""Migration projects: how groups of sources are to be migrated."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from rehost.control.api.sources import Done
from rehost.control.operation import Context, operation
from rehost.control.services import Services
from rehost.control.store import migprojects as table
from rehost.errors import (
    InvalidRequest,
    MigprojectIsDefault,
    MigprojectNotEmpty,
    MigprojectNotFound,
    NameTaken,
)
from rehost.model.limits import WORD, Meta, Text
from rehost.model.task import TaskType

RESOURCE = "migration projects"
PAGE = 50  # what limit=0 means
MigprojectName = Annotated[str, Meta(min_length=1, max_length=100, pattern=WORD)]
SpeedLimit = Annotated[int, Meta(ge=0, le=10000, description="Mbit/s; 0: no limit")]
Limit = Annotated[int, Meta(ge=0, le=100)]
Offset = Annotated[int, Meta(ge=0, le=65535)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PostMigProjectBody:
    name: MigprojectName
    description: Text = ""
    isdefault: bool = False
    region: Text
    start_target_server: bool = True
    speed_limit: SpeedLimit = 0
    use_public_ip: bool = True
    exist_server: bool = True
    type: TaskType
    enterprise_project: Text = ""
    syncing: bool = False
    start_network_check: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MigProject:
    """What is left out stays as it was."""

    name: MigprojectName | None = None
    description: Text | None = None
    isdefault: bool | None = None
    region: Text | None = None
    start_target_server: bool | None = None
    speed_limit: SpeedLimit | None = None
    use_public_ip: bool | None = None
    exist_server: bool | None = None
    type: TaskType | None = None
    enterprise_project: Text | None = None
    syncing: bool | None = None
    start_network_check: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowMigprojectResponse:
    name: str
    description: str
    isdefault: bool
    region: str
    start_target_server: bool
    speed_limit: int
    use_public_ip: bool
    exist_server: bool
    type: TaskType
    enterprise_project: str
    syncing: bool
    start_network_check: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MigprojectsResponseBody(ShowMigprojectResponse):
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateMigprojectResponse:
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListMigprojectsResponse:
    count: int
    migprojects: tuple[MigprojectsResponseBody, ...]


@operation(
    "POST",
    "/v3/migprojects",
    returns=CreateMigprojectResponse,
    action="sms:migproject:create",
    resource=RESOURCE,
    raises=(InvalidRequest, NameTaken),
)
def create_migproject(ctx: Context, body: PostMigProjectBody) -> CreateMigprojectResponse:
    """Create a migration project; with `isdefault` it takes that from the one that was it."""
    project_id = ctx.caller.project_id
    if project_id is None:
        raise InvalidRequest(
            "this credential is for several projects; use a token for one, or send X-Project-Id"
        )
    with ctx.services.database.write() as db:
        region = ctx.services.config.region
        made = table.create(db, project_id, asdict(body), region=region)
    return CreateMigprojectResponse(id=made)


@operation(
    "GET",
    "/v3/migprojects",
    returns=ListMigprojectsResponse,
    action="sms:migproject:list",
    resource=RESOURCE,
)
def list_migprojects(
    ctx: Context, limit: Limit = PAGE, offset: Offset = 0
) -> ListMigprojectsResponse:
    """List migration projects, the default first; a limit of 0 is the default, 50."""
    projects = ctx.caller.projects
    _ensure_defaults(ctx.services, projects)
    with ctx.services.database.read() as db:
        count = table.count(db, projects)
        rows = table.page(db, projects, limit=limit or PAGE, offset=offset)
    return ListMigprojectsResponse(
        count=count,
        migprojects=tuple(MigprojectsResponseBody(id=row.id, **_shown(row)) for row in rows),
    )


@operation(
    "GET",
    "/v3/migprojects/{mig_project_id}",
    returns=ShowMigprojectResponse,
    action="sms:migproject:get",
    resource=RESOURCE,
    raises=(MigprojectNotFound,),
)
def show_migproject(ctx: Context, mig_project_id: str) -> ShowMigprojectResponse:
    """Show a migration project."""
    with ctx.services.database.read() as db:
        row = table.visible(db, ctx.caller.projects, mig_project_id)
    return ShowMigprojectResponse(**_shown(row))


@operation(
    "PUT",
    "/v3/migprojects/{mig_project_id}",
    returns=Done,
    action="sms:migproject:update",
    resource=RESOURCE,
    raises=(MigprojectNotFound, NameTaken),
)
def update_migproject(ctx: Context, mig_project_id: str, body: MigProject) -> Done:
    """Change a migration project. The default stays it until another one becomes it."""
    values = {name: value for name, value in asdict(body).items() if value is not None}
    with ctx.services.database.write() as db:
        table.update(db, table.visible(db, ctx.caller.projects, mig_project_id), values)
    return Done()


@operation(
    "PUT",
    "/v3/migprojects/{mig_project_id}/default",
    returns=Done,
    action="sms:migproject:update",
    resource=RESOURCE,
    raises=(MigprojectNotFound,),
)
def update_default_migproject(ctx: Context, mig_project_id: str) -> Done:
    """Make it the default: sources that register from now on belong to it."""
    with ctx.services.database.write() as db:
        row = table.visible(db, ctx.caller.projects, mig_project_id)
        table.update(db, row, {"isdefault": True})
    return Done()


@operation(
    "DELETE",
    "/v3/migprojects/{mig_project_id}",
    returns=Done,
    action="sms:migproject:delete",
    resource=RESOURCE,
    raises=(MigprojectNotFound, MigprojectIsDefault, MigprojectNotEmpty),
)
def delete_migproject(ctx: Context, mig_project_id: str) -> Done:
    """Delete a migration project that is not the default and has no source servers."""
    with ctx.services.database.write() as db:
        table.delete(db, table.visible(db, ctx.caller.projects, mig_project_id))
    return Done()


def _ensure_defaults(services: Services, projects: tuple[str, ...]) -> None:
    """So that even the first list of a project shows its default; later ones only read."""
    with services.database.read() as db:
        without = [project for project in projects if table.default_of(db, project) is None]
    if without:
        with services.database.write() as db:
            for project in without:
                table.ensure_default(db, project, region=services.config.region)


def _shown(row: table.RowOfMigproject) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ShowMigprojectResponse.__dataclass_fields__}


OPERATIONS = (
    create_migproject,
    list_migprojects,
    show_migproject,
    update_migproject,
    update_default_migproject,
    delete_migproject,
)
