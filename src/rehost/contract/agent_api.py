"""What an agent asks of the service, as functions. All raise what Client.call raises."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from rehost.contract.client import Client, segment
from rehost.contract.codec import encode
from rehost.contract.transfer import Certificates, Transfer, TransferDisk
from rehost.errors import BadAnswer
from rehost.model.server import Report
from rehost.model.speed import SpeedRow
from rehost.model.task import Priority

POLL_INTERVAL_S = 30
TARGET_NOT_READY = "REHOST.4096"  # ask again in a moment
TASK_ENDED = frozenset({"REHOST.4095", "SMS.2252"})  # it was stopped, or deleted


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """`agent_token` is None for a caller that has one already: the agent itself."""

    source_id: str
    agent_token: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """`name` is "" if there is nothing to do."""

    name: str
    parameters: Mapping[str, Any]


class Result(StrEnum):
    SUCCESS = "success"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """What came of a command; `detail` is for the operator."""

    command: str
    result: Result
    detail: Mapping[str, str]


def register(client: Client, report: Report) -> Registered:
    """Register the machine, or update what the service knows of it. May be repeated."""
    body = client.call("POST", "/v3/sources", body=encode(report)).body
    source_id = _text(body, "id")
    token = body.get("agent_token")
    if not source_id or not isinstance(token, str | None):
        raise BadAnswer("the service registered the machine but gave no id; is it a Rehost?")
    return Registered(source_id=source_id, agent_token=token)


def next_command(client: Client, source_id: str, *, carrying_out: int) -> Command:
    """Ask for work; the service takes it for a sign of life.

    `carrying_out` is the id of the command that is under way, 0 for none. Any other comes again
    until its result is reported.
    """
    path = f"/v3/sources/{segment(source_id)}/command"
    body = client.call("GET", path, query={"carrying_out": carrying_out}).body
    parameters = body.get("command_param") if isinstance(body, dict) else None
    return Command(
        name=_text(body, "command_name"),
        parameters=parameters if isinstance(parameters, dict) else {},
    )


def report_result(client: Client, source_id: str, result: CommandResult) -> None:
    body = {
        "command_name": result.command,
        "result": result.result,
        "result_detail": dict(result.detail),
    }
    client.call("POST", f"/v3/sources/{segment(source_id)}/command_result", body=body)


def report_disks(client: Client, source_id: str, report: Report) -> None:
    """Tell what is on the disks now; the rest of the report is not sent."""
    body = {
        "disks": encode(report.disks),
        "volumegroups": encode(report.volume_groups),
        "btrfs_list": encode(report.btrfs_list),
    }
    client.call("PUT", f"/v3/sources/{segment(source_id)}/diskinfo", body=body)


def poll_interval(client: Client) -> float:
    """Return how many seconds the service wants between polls."""
    body = client.call("GET", "/v3/config").body
    config = body.get("config") if isinstance(body, dict) else None
    try:
        seconds = float((config or {}).get("poll_interval", POLL_INTERVAL_S))
    except (AttributeError, TypeError, ValueError):
        return POLL_INTERVAL_S
    # A mistyped number neither floods the service nor leaves the machine without an answer.
    return min(max(seconds, 0.1), 3600) if seconds == seconds else POLL_INTERVAL_S  # noqa: PLR0124


def transfer(client: Client, task_id: str) -> Transfer:
    """Where a task's disks go; ApiError with TARGET_NOT_READY until there is such a place."""
    body = client.call("GET", f"/v3/rehost/tasks/{segment(task_id)}/transfer").body
    try:
        return Transfer(
            task_id=str(body["task_id"]),
            host=str(body["host"]),
            port=int(body["port"]),
            tls=bool(body["tls"]),
            disks=tuple(
                TransferDisk(id=int(d["id"]), name=str(d["name"]), size=int(d["size"]))
                for d in body["disks"]
            ),
            syncing=bool(body.get("syncing", False)),
            network_check=bool(body.get("network_check", False)),
            ipv6=bool(body.get("ipv6", False)),
            point=int(body.get("point", 0)),
            taken=int(body.get("taken", 0)),
            priority=Priority(body.get("priority", Priority.STANDARD)),
        )
    except (KeyError, TypeError, ValueError) as e:
        raise BadAnswer(f"the service does not say where the disks go: {e!r}") from e


def certificates(client: Client, task_id: str) -> Certificates:
    """The agent's own for this task; they are good for days, and may be asked for again."""
    body = client.call("GET", f"/v3/tasks/{segment(task_id)}/certkey").body
    ca, certificate, key = (_text(body, name) for name in ("ca", "cert", "private_key"))
    if not (ca and certificate and key):
        raise BadAnswer("the service gave no certificates for the task")
    return Certificates(ca=ca, certificate=certificate, private_key=key)


def speed_limits(client: Client, task_id: str) -> tuple[SpeedRow, ...]:
    body = client.call("GET", f"/v3/tasks/{segment(task_id)}/speed-limit").body
    try:
        return tuple(
            SpeedRow(start=str(row["start"]), end=str(row["end"]), speed=int(row["speed"] or 0))
            for row in body["speed_limit"]
        )
    except (KeyError, TypeError, ValueError) as e:
        raise BadAnswer(f"the service's speed limits cannot be understood: {e!r}") from e


def configuration(client: Client, task_id: str) -> Mapping[str, str]:
    """What operators set of the task, by its key."""
    body = client.call("GET", f"/v3/tasks/{segment(task_id)}/configuration-setting").body
    rows = body.get("configurations") if isinstance(body, dict) else None
    return {
        _text(row, "config_key"): _text(row, "config_value")
        for row in (rows if isinstance(rows, list) else ())
    }


def report_progress(client: Client, task_id: str, body: Mapping[str, Any]) -> None:
    """`body` as PUT /v3/tasks/{task_id}/progress takes it."""
    client.call("PUT", f"/v3/tasks/{segment(task_id)}/progress", body=body)


def report_point(client: Client, task_id: str, body: Mapping[str, Any]) -> None:
    """`body` as POST /v3/rehost/tasks/{task_id}/point takes it. May be repeated."""
    client.call("POST", f"/v3/rehost/tasks/{segment(task_id)}/point", body=body)


def report_network_check(client: Client, task_id: str, body: Mapping[str, Any]) -> None:
    """`body` as POST /v3/{task_id}/update-network-check-info takes it."""
    client.call("POST", f"/v3/{segment(task_id)}/update-network-check-info", body=body)


def report_consistency(client: Client, task_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """`rows` as POST /v3/tasks/{task_id}/consistency-result takes them."""
    path = f"/v3/tasks/{segment(task_id)}/consistency-result"
    client.call("POST", path, body={"consistency_result": list(rows)})


def upload_log(client: Client, task_id: str, log: bytes) -> None:
    client.call(
        "PUT",
        f"/v3/rehost/tasks/{segment(task_id)}/log",
        body=log,
        headers={"Content-Type": "application/octet-stream"},
    )


def _text(body: object, name: str) -> str:
    value = body.get(name) if isinstance(body, dict) else None
    return value if isinstance(value, str) else ""
