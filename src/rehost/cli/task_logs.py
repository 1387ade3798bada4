"""Fetching what an agent logged of a task."""

import time

from rehost.cli.document import Json, part, rows, text
from rehost.cli.find import list_tasks
from rehost.contract.client import Client, segment
from rehost.errors import ServiceUnreachable

LOOK_EVERY_S = 1.0


def collect(client: Client, task_id: str, *, wait_s: float) -> bytes:
    """Ask the agent for its log, wait until it has handed it in, and fetch it.

    Raises what the service answers, or ServiceUnreachable if the agent does not within `wait_s`.
    """
    path = f"/v3/tasks/{segment(task_id)}"
    client.call("POST", f"{path}/action", body={"operation": "collect_log"})
    until = time.monotonic() + wait_s
    while (task := _listed(client, task_id)) and _status(task) != "UPLOADED":
        if _status(task) == "UPLOAD_FAIL":
            raise ServiceUnreachable("the agent could not hand in its log; its own log says why")
        if time.monotonic() > until:
            raise ServiceUnreachable(
                f"the agent has not handed in its log within {wait_s:g} s; is it connected?"
            )
        time.sleep(LOOK_EVERY_S)
    source_id = text(part(task, "source_server"), "id")
    source = client.call("GET", f"/v3/sources/{segment(source_id)}").body
    return client.download(_where(part(source, "current_task"), task_id))


def _listed(client: Client, task_id: str) -> Json:
    """The one place of the API that says how far the collection is."""
    return next(iter(rows(list_tasks(client, {"id": task_id}), "tasks")), {})


def _status(task: Json) -> str:
    return text(task, "log_collect_status")


def _where(current: Json, task_id: str) -> str:
    """The path of the log on this service."""
    url = text(current, "log_share_url") if text(current, "id") == task_id else ""
    return url if url.startswith("/") else f"/v3/rehost/tasks/{segment(task_id)}/log"
