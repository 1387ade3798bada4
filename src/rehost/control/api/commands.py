"""What the service tells a source's agent to do, and how it went. A poll is the heartbeat."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from rehost.control import registration, tasks
from rehost.control.api.sources import Done
from rehost.control.operation import Access, Context, operation
from rehost.control.store import commands
from rehost.control.store import tasks as task_table
from rehost.control.store.hot import HotReader
from rehost.errors import CommandMismatch, SourceNotFound
from rehost.model.limits import Long, Name
from rehost.model.source import SourceState
from rehost.stages.task import Command

STATE = "SELECT project_id, connected, state FROM sources WHERE id = ?"
AGENT_FAILED = "REHOST.6007"  # an agent's failure without a code of its own


class NoCommand(StrEnum):
    """The answers when there is nothing to do."""

    TASK_NOT_STARTED = "TASK_NOT_STARTED"
    TASK_HAS_STOPPED = "TASK_HAS_STOPPED"
    TASK_HAS_FINISHED = "TASK_HAS_FINISHED"


class CommandResult(StrEnum):
    SUCCESS = "success"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandParam:
    """`bucket` is where UPLOAD_LOG puts the log. `verify` of SYNC: an agent that keeps in step
    compares both ends once more before it ends. What means nothing is left out.

    `command_id` tells a command from an earlier one of the same name: in the result's details, it
    says which one the result is of.
    """

    task_id: str | UnsetType = UNSET
    bucket: str | UnsetType = UNSET
    verify: bool | UnsetType = UNSET
    command_id: str | UnsetType = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowCommandResponse:
    command_name: str
    command_param: CommandParam


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandBody:
    command_name: Name
    result: CommandResult
    result_detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What one poll reads: who may see the source, and what it is to do."""

    project_id: str
    connected: bool
    state: str
    command: tuple[int, str, str] | None  # id, name, parameters as JSON


@operation(
    "GET",
    "/v3/sources/{server_id}/command",
    returns=ShowCommandResponse,
    access=Access.AGENT,
    action="rehost:command:handle",
    raises=(SourceNotFound,),
    inline=True,
)
def show_command(
    ctx: Context, server_id: str, *, carrying_out: Long | None = None
) -> ShowCommandResponse:
    """Hand out the next command to the agent of a source server, once.

    An agent that gives the `command_id` of what it is carrying out, 0 for nothing, gets every other
    command again until it has confirmed it: an answer may be lost on its way.
    """
    ctx.require_own(server_id)
    services = ctx.services
    waiting = services.hot.also(
        ("command", server_id, carrying_out), lambda db: _load(db, server_id, carrying_out)
    )
    if waiting is None or waiting.project_id not in ctx.caller.projects:
        raise SourceNotFound(server_id)
    services.heartbeats.note(server_id, connected=waiting.connected)
    if waiting.command is not None:
        command_id, name, param = waiting.command
        with services.database.write() as db:
            mine = commands.hand_out(db, command_id, again=carrying_out is not None)
        if mine:
            known = msgspec.json.decode(param, type=CommandParam)
            known = replace(known, command_id=str(command_id))
            return ShowCommandResponse(command_name=name, command_param=known)
    return ShowCommandResponse(command_name=_nothing(waiting.state), command_param=CommandParam())


@operation(
    "POST",
    "/v3/sources/{server_id}/command_result",
    returns=Done,
    access=Access.AGENT,
    action="rehost:command:handle",
    raises=(SourceNotFound, CommandMismatch),
)
def update_command_result(ctx: Context, server_id: str, body: CommandBody) -> Done:
    """Take the agent's word on how a command went."""
    ctx.require_own(server_id)
    with ctx.services.database.write() as db:
        registration.visible(db, ctx.caller, server_id)
        waiting = commands.handed_out(db, server_id, body.command_name)
        said = body.result_detail.get("command_id")
        command = next((c for c in waiting if said is None or str(said) == str(c.id)), None)
        if command is None:
            raise CommandMismatch(
                f"no command {body.command_name!r} waits for a result from this source server"
            )
        detail = msgspec.json.encode(body.result_detail).decode()
        commands.finish(db, command.id, result=body.result, detail=detail)
        _tell_task(db, command, body)
    ctx.services.wake_runner()
    return Done()


def _tell_task(db: sa.Connection, command: Any, body: CommandBody) -> None:  # noqa: ANN401 - a row
    """Let the task that the command was of go on. Raises CommandMismatch if that cannot be."""
    task_id = msgspec.json.decode(command.param).get("task_id", "")
    if (task := task_table.get(db, task_id)) is None:
        return
    success = body.result is CommandResult.SUCCESS
    if success and command.name in (Command.START, Command.SYNC) and task.is_being_made:
        raise CommandMismatch("nothing can have been copied: the target is not ready yet")
    tasks.answered(db, task, command.name, success=success, error=_error(body.result_detail))


def _error(detail: dict[str, Any]) -> str:
    """What failed, in the agent's words."""
    names = ("error_code", "error_msg")
    said = {name: str(detail[name]) for name in names if name in detail}
    said.setdefault("error_code", AGENT_FAILED)
    said.setdefault("error_msg", "the agent did not say what failed")
    return msgspec.json.encode(said).decode()


def _load(db: HotReader, source_id: str, carrying_out: int | None) -> Waiting | None:
    source = db.row(STATE, source_id)
    if source is None:
        return None
    project_id, connected, state = source
    if carrying_out is None:
        command = db.row(commands.NEXT, source_id)
    else:
        command = db.row(commands.NEXT_BUT, source_id, carrying_out)
    return Waiting(
        project_id, bool(connected), state, command and (command[0], command[1], command[2])
    )


def _nothing(state: str) -> NoCommand:
    if state == SourceState.STOPPED:
        return NoCommand.TASK_HAS_STOPPED
    if state == SourceState.FINISHED:
        return NoCommand.TASK_HAS_FINISHED
    return NoCommand.TASK_NOT_STARTED


OPERATIONS = (show_command, update_command_result)
