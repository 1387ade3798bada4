"""What the service may ask of an agent: these commands by name, and nothing else.

To add one: a function that carries it out, and its line in COMMANDS.
"""

from collections.abc import Callable, Mapping
from typing import Any

from rehost.contract.agent_api import Command, CommandResult, Result
from rehost.errors import Error

COMMANDS: Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, str]]] = {}

NOTHING_TO_DO = frozenset({"", "TASK_NOT_STARTED", "TASK_HAS_STOPPED", "TASK_HAS_FINISHED"})


def carry_out(command: Command) -> CommandResult | None:
    """Return what to answer; None if there was nothing to do."""
    if command.name in NOTHING_TO_DO:
        return None
    function = COMMANDS.get(command.name)
    if function is None:
        return _failed(command, "unknown_command", "this agent does not know the command")
    try:
        detail = function(command.parameters)
    except Error as e:
        return _failed(command, e.code, str(e))
    return CommandResult(command=command.name, result=Result.SUCCESS, detail=detail)


def _failed(command: Command, code: str, message: str) -> CommandResult:
    detail = {"error_code": code, "error_msg": message}
    return CommandResult(command=command.name, result=Result.FAIL, detail=detail)
