"""What an agent tells of the moments that its source was held at."""

from dataclasses import dataclass
from typing import Annotated

from rehost.control import points, tasks
from rehost.control.api.sources import Done
from rehost.control.api.tasks import RESOURCE
from rehost.control.clock import now_ms
from rehost.control.operation import Access, Context, operation
from rehost.control.task_record import Point
from rehost.errors import PermissionDenied
from rehost.model.limits import Int, LongText, Meta, Text
from rehost.task_errors import TaskNotFound

TELL = "rehost:task:tellPoint"
WEEK_MS = 7 * 24 * 3600 * 1000
Age = Annotated[float, Meta(ge=0, le=WEEK_MS)]
Duration = Annotated[float, Meta(ge=0, le=WEEK_MS)]
Paths = Annotated[tuple[LongText, ...], Meta(max_length=1024)]
Skips = Annotated[tuple[tuple[LongText, LongText], ...], Meta(max_length=1024)]
Names = Annotated[tuple[Text, ...], Meta(max_length=1024)]


@dataclass(frozen=True, slots=True, kw_only=True)
class TellPointReq:
    """`number` 0 is the cut that a task ends with. `age_ms`: since everything stood still, and
    `duration_ms` for how long. `skipped`: what could not be frozen, each with the reason;
    `failed_hooks`: programs that failed after it. `error_code`: the point could not be had.
    """

    number: Int
    age_ms: Age = 0
    duration_ms: Duration = 0
    frozen: Paths = ()
    skipped: Skips = ()
    failed_hooks: Names = ()
    error_code: Text = ""
    error_msg: LongText = ""


@operation(
    "POST",
    "/v3/rehost/tasks/{task_id}/point",
    returns=Done,
    access=Access.AGENT,
    action=TELL,
    resource=RESOURCE,
    raises=(TaskNotFound, PermissionDenied),
)
def tell_point(ctx: Context, task_id: str, body: TellPointReq) -> Done:
    """Tell the moment of the source that the target holds, all of it durable. For agents alone.

    May be repeated; what came late changes nothing. Until the service has done with the point, the
    agent sends nothing.
    """
    if ctx.caller.source_id is None:
        raise PermissionDenied(TELL, RESOURCE)
    now = now_ms()
    point = Point(
        number=body.number,
        at=now - round(body.age_ms),
        told_at=now,
        duration_ms=body.duration_ms,
        frozen=body.frozen,
        skipped=body.skipped,
        failed_hooks=body.failed_hooks,
        error_code=body.error_code,
        error_msg=body.error_msg,
    )
    with ctx.services.database.write() as db:
        task = tasks.visible(db, ctx.caller, task_id)
        tasks.save(db, task, points.told(task, point))
    ctx.services.wake_runner()
    return Done()


OPERATIONS = (tell_point,)
