"""Server templates: what targets are to be made like.

A template's password is stored encrypted and shown by show_target_password alone.
"""

from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa

from rehost.control import registration
from rehost.control.api.sources import DeleteIds, Done
from rehost.control.operation import Access, Caller, Context, operation
from rehost.control.store import templates as table
from rehost.control.template_record import (
    Nics,
    PublicIp,
    SgObject,
    TemplateDisk,
    TemplateRequest,
    VpcObject,
)
from rehost.errors import InvalidRequest, NotYourTemplate, TemplateNotFound
from rehost.model.limits import Meta, Text

RESOURCE = "server templates"
PAGE = 50  # what limit=0 means
Limit = Annotated[int, Meta(ge=0, le=100)]
Offset = Annotated[int, Meta(ge=0, le=65535)]
STEPS = ((300, 1), (1000, 50), (2000, 500))  # up to this bandwidth, in these steps


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTemplateReq:
    template: TemplateRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateTemplateReq:
    template: TemplateRequest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateResponseBody:
    """`target_password` is always empty here."""

    id: str
    name: str
    is_template: str
    region: str
    projectid: str
    target_server_name: str
    availability_zone: str
    volumetype: str
    flavor: str
    vpc: VpcObject | None
    nics: tuple[Nics, ...]
    security_groups: tuple[SgObject, ...]
    publicip: PublicIp | None
    disk: tuple[TemplateDisk, ...]
    data_volume_type: str
    target_password: str
    image_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTemplateResponse:
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowTemplateResponse:
    template: TemplateResponseBody


@dataclass(frozen=True, slots=True, kw_only=True)
class ListTemplatesResponse:
    count: int
    templates: tuple[TemplateResponseBody, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowTargetPasswordResponse:
    template_id: str
    target_password: str = field(repr=False)


@operation(
    "POST",
    "/v3/vm/templates",
    returns=CreateTemplateResponse,
    action="sms:template:create",
    resource=RESOURCE,
    raises=(InvalidRequest,),
)
def create_template(ctx: Context, body: CreateTemplateReq) -> CreateTemplateResponse:
    """Create a server template. Its password is kept encrypted."""
    project_id = ctx.caller.project_id
    if project_id is None:
        raise InvalidRequest(
            "this credential is for several projects; use a token for one, or send X-Project-Id"
        )
    new = body.template
    values = _values(ctx, replace(new, region=new.region or ctx.services.config.region))
    with ctx.services.database.write() as db:
        made = table.insert(db, project_id, {"target_password": None, **values})
    return CreateTemplateResponse(id=made)


@operation(
    "GET",
    "/v3/vm/templates",
    returns=ListTemplatesResponse,
    action="sms:template:list",
    resource=RESOURCE,
)
def list_templates(  # noqa: PLR0913 - the API's filters
    ctx: Context,
    *,
    name: Text | None = None,
    availability_zone: Text | None = None,
    region: Text | None = None,
    limit: Limit = PAGE,
    offset: Offset = 0,
    id: Text | None = None,
) -> ListTemplatesResponse:
    """List server templates, newest first.

    `name` matches any part of a name; a limit of 0 is the default, 50.
    """
    filters = table.Filters(
        name=name or None,
        availability_zone=availability_zone or None,
        region=region or None,
        id=id or None,
    )
    projects = ctx.caller.projects
    with ctx.services.database.read() as db:
        count = table.count(db, projects, filters)
        rows = table.page(db, projects, filters, limit=limit or PAGE, offset=offset)
    return ListTemplatesResponse(count=count, templates=tuple(map(_shown, rows)))


@operation(
    "GET",
    "/v3/vm/templates/{id}",
    returns=ShowTemplateResponse,
    access=Access.AGENT,
    action="sms:template:get",
    resource=RESOURCE,
    raises=(TemplateNotFound, NotYourTemplate),
)
def show_template(ctx: Context, id: str) -> ShowTemplateResponse:
    """Show a server template, without its password. An agent sees that of its own task."""
    with ctx.services.database.read() as db:
        row = _visible(db, ctx.caller, id)
    return ShowTemplateResponse(template=_shown(row))


@operation(
    "PUT",
    "/v3/vm/templates/{id}",
    returns=Done,
    action="sms:template:update",
    resource=RESOURCE,
    raises=(TemplateNotFound,),
)
def update_template(ctx: Context, id: str, body: UpdateTemplateReq) -> Done:
    """Change a server template; an empty password removes it."""
    with ctx.services.database.write() as db:
        row = table.visible(db, ctx.caller.projects, id)
        if (given := body.template) is not None:
            news = {n: getattr(given, n) for n in TemplateRequest.__dataclass_fields__}
            changes = {n: value for n, value in news.items() if value is not None}
            table.update(db, id, _values(ctx, replace(_stored(row), **changes)))
    return Done()


@operation(
    "DELETE",
    "/v3/vm/templates/{id}",
    returns=Done,
    action="sms:template:delete",
    resource=RESOURCE,
    raises=(TemplateNotFound,),
)
def delete_template(ctx: Context, id: str) -> Done:
    """Delete a server template."""
    _delete(ctx, (id,))
    return Done()


@operation(
    "POST",
    "/v3/vm/templates/delete",
    returns=Done,
    action="sms:template:batchDelete",
    resource=RESOURCE,
    raises=(TemplateNotFound,),
)
def delete_templates(ctx: Context, body: DeleteIds) -> Done:
    """Delete several server templates: all of them, or none if one is not there."""
    _delete(ctx, body.ids)
    return Done()


@operation(
    "GET",
    "/v3/vm/templates/{id}/target-password",
    returns=ShowTargetPasswordResponse,
    access=Access.AGENT,
    action="sms:template:getTargetPassword",
    resource=RESOURCE,
    raises=(TemplateNotFound, NotYourTemplate),
)
def show_target_password(ctx: Context, id: str) -> ShowTargetPasswordResponse:
    """Show the password of a server template. An agent sees that of its own task."""
    with ctx.services.database.read() as db:
        secret = _visible(db, ctx.caller, id).target_password
    password = ctx.services.keys.decrypt(secret) if secret else ""
    return ShowTargetPasswordResponse(template_id=id, target_password=password)


def _visible(db: sa.Connection, caller: Caller, template_id: str) -> table.RowOfTemplate:
    """An agent sees only what its source's task was given; whether others exist it is not told."""
    if caller.source_id is not None:
        task = msgspec.json.decode(registration.visible(db, caller, caller.source_id).task)
        if task is None or task["vm_template_id"] != template_id:
            raise NotYourTemplate(template_id)
    return table.visible(db, caller.projects, template_id)


def _delete(ctx: Context, template_ids: tuple[str, ...]) -> None:
    with ctx.services.database.write() as db:
        for template_id in template_ids:
            table.visible(db, ctx.caller.projects, template_id)
        table.delete(db, template_ids)


def _values(ctx: Context, template: TemplateRequest) -> dict[str, Any]:
    """What is stored of a template; without a new password the old one stays."""
    _insist_on_steps(template.publicip)
    password = template.target_password
    values = {
        "name": template.name,
        "region": template.region or "",
        "availability_zone": template.availability_zone or "",
        "document": msgspec.json.encode(replace(template, target_password=None)).decode(),
    }
    if password is None:
        return values
    return values | {"target_password": ctx.services.keys.encrypt(password) if password else None}


def _insist_on_steps(publicip: PublicIp | None) -> None:
    if publicip is None:
        return
    size = publicip.bandwidth_size
    step = next(step for limit, step in STEPS if size <= limit)
    if size % step:
        raise InvalidRequest(
            f"body field template.publicip.bandwidth_size: {size} is not a multiple of {step}"
        )


def _stored(row: table.RowOfTemplate) -> TemplateRequest:
    return msgspec.json.decode(row.document, type=TemplateRequest)


def _shown(row: table.RowOfTemplate) -> TemplateResponseBody:
    template = _stored(row)
    return TemplateResponseBody(
        id=row.id,
        name=template.name,
        is_template="false" if template.is_template is False else "true",
        region=template.region or "",
        projectid=template.projectid or row.project_id,
        target_server_name=template.target_server_name or "",
        availability_zone=template.availability_zone or "",
        volumetype=template.volumetype or "",
        flavor=template.flavor or "",
        vpc=template.vpc,
        nics=template.nics or (),
        security_groups=template.security_groups or (),
        publicip=template.publicip,
        disk=template.disk or (),
        data_volume_type=template.data_volume_type or "",
        target_password="",
        image_id=template.image_id or "",
    )


OPERATIONS = (
    create_template,
    list_templates,
    show_template,
    update_template,
    delete_template,
    delete_templates,
    show_target_password,
)
