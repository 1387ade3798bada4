"""What the service may ask of an agent: what it has functions for, by name, and nothing else."""

from collections.abc import Callable, Mapping

from rehost.contract.agent_api import Command, CommandResult, Result
from rehost.errors import Error

NOTHING_TO_DO = frozenset({"", "TASK_NOT_STARTED", "TASK_HAS_STOPPED", "TASK_HAS_FINISHED"})

# Gives details for the operator, or None if the result comes later.
Function = Callable[[Command], Mapping[str, str] | None]


def carry_out(command: Command, functions: Mapping[str, Function]) -> CommandResult | None:
    """Return what to answer; None if there was nothing to do, or it is not done yet."""
    if command.name in NOTHING_TO_DO:
        return None
    function = functions.get(command.name)
    if function is None:
        return failed(command, "unknown_command", "this agent does not know the command")
    try:
        detail = function(command)
    except Error as e:
        return failed(command, e.code, str(e))
    return None if detail is None else result(command, Result.SUCCESS, detail)


def failed(command: Command, code: str, message: str) -> CommandResult:
    return result(command, Result.FAIL, {"error_code": code, "error_msg": message})


def result(command: Command, outcome: Result, detail: Mapping[str, str]) -> CommandResult:
    """Of this very command: the service may have given others of the same name."""
    known = command.parameters.get("command_id")
    named = {"command_id": str(known)} if known else {}
    return CommandResult(command=command.name, result=outcome, detail={**named, **detail})
