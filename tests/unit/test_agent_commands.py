from collections.abc import Mapping

import pytest

from rehost.agent.commands import NOTHING_TO_DO, Function, carry_out
from rehost.contract.agent_api import Command, Result
from rehost.errors import NotRegistered

NONE: Mapping[str, Function] = {}


@pytest.mark.parametrize("name", sorted(NOTHING_TO_DO))
def test_nothing_to_do_needs_no_answer(name):
    assert carry_out(Command(name=name, parameters={}), {name: lambda _: {}}) is None


@pytest.mark.parametrize("name", ["START", "STOP", "SYNC", "rm -rf /", "__class__"])
def test_what_is_not_known_is_answered_so(name):
    result = carry_out(Command(name=name, parameters={"x": 1}), NONE)
    assert result is not None
    assert (result.command, result.result) == (name, Result.FAIL)
    assert "does not know" in result.detail["error_msg"]


def test_a_result_names_the_very_command():
    command = Command(name="STOP", parameters={"task_id": "t", "command_id": "7"})
    result = carry_out(command, {"STOP": lambda _: {"a": "b"}})
    assert result is not None
    assert (result.result, result.detail) == (Result.SUCCESS, {"command_id": "7", "a": "b"})


def test_what_is_not_done_yet_is_answered_later():
    assert carry_out(Command(name="START", parameters={}), {"START": lambda _: None}) is None


def test_a_failure_is_told_with_its_code():
    def refuse(_: Command) -> Mapping[str, str]:
        raise NotRegistered("not here")

    result = carry_out(Command(name="STOP", parameters={}), {"STOP": refuse})
    assert result is not None
    assert result.detail == {"error_code": NotRegistered.code, "error_msg": "not here"}
