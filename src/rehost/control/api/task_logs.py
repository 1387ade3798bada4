"""The logs of agents: asked for, uploaded to this service, downloaded from it."""

from dataclasses import replace
from pathlib import Path

from rehost.control import tasks
from rehost.control.api.sources import Done
from rehost.control.api.task_body import UploadLogRequestBody
from rehost.control.api.tasks import RESOURCE
from rehost.control.clock import now_ms
from rehost.control.operation import Access, Context, Reply, operation
from rehost.control.services import Services
from rehost.errors import InvalidRequest
from rehost.stages.task import Action
from rehost.system.files import write_atomically
from rehost.task_errors import LogNotFound, TaskNotFound, TaskRefuses

OCTETS = "application/octet-stream"


@operation(
    "POST",
    "/v3/tasks/{task_id}/log",
    returns=Done,
    action="sms:server:collectLog",
    resource=RESOURCE,
    raises=(TaskNotFound, TaskRefuses),
)
def collect_log(ctx: Context, task_id: str, body: UploadLogRequestBody) -> Done:
    """Ask the agent of a task for its log.

    Our own agent uploads it to this service, whatever `log_bucket` says; another puts it there.
    """
    with ctx.services.database.write() as db:
        task = tasks.visible(db, ctx.caller, task_id)
        tasks.act(db, task, Action.COLLECT_LOG, bucket=body.log_bucket)
    return Done()


@operation(
    "PUT",
    "/v3/rehost/tasks/{task_id}/log",
    returns=Done,
    access=Access.AGENT,
    action="rehost:task:uploadLog",
    resource=RESOURCE,
    raises=(TaskNotFound, InvalidRequest),
    takes=OCTETS,
)
def upload_log(ctx: Context, task_id: str, body: bytes) -> Done:
    """Upload an agent's log, in place of an older one. It may be as large as any body here."""
    if not body:
        raise InvalidRequest("body: the log is empty")
    with ctx.services.database.read() as db:
        tasks.visible(db, ctx.caller, task_id)
    file = path(ctx.services, task_id)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    write_atomically(file, body, mode=0o600)
    try:
        with ctx.services.database.write() as db:
            task = tasks.visible(db, ctx.caller, task_id)
            log = replace(task.log, size=len(body), uploaded_at=now_ms())
            tasks.save(db, task, replace(task, log=log))
    except TaskNotFound:
        file.unlink(missing_ok=True)  # deleted meanwhile, and what it left may be removed already
        raise
    return Done()


@operation(
    "GET",
    "/v3/rehost/tasks/{task_id}/log",
    returns=bytes,
    action="rehost:task:readLog",
    resource=RESOURCE,
    raises=(TaskNotFound, LogNotFound),
    gives=OCTETS,
)
def download_log(ctx: Context, task_id: str) -> Reply:
    """Download the log that the agent of a task uploaded last."""
    with ctx.services.database.read() as db:
        tasks.visible(db, ctx.caller, task_id)
    try:
        content = path(ctx.services, task_id).read_bytes()
    except FileNotFoundError as e:
        raise LogNotFound(task_id) from e
    attached = ("Content-Disposition", f'attachment; filename="{task_id}.log"')
    return Reply(body=content, headers=(attached,))


def path(services: Services, task_id: str) -> Path:
    """Where the log of a task is kept. The id is one of ours, a UUID."""
    return services.config.data / "logs" / f"{task_id}.log"


OPERATIONS = (collect_log, upload_log, download_log)
