import pytest

from rehost.agent.commands import NOTHING_TO_DO, carry_out
from rehost.contract.agent_api import Command, Result


@pytest.mark.parametrize("name", sorted(NOTHING_TO_DO))
def test_nothing_to_do_needs_no_answer(name):
    assert carry_out(Command(name=name, parameters={})) is None


@pytest.mark.parametrize("name", ["START", "STOP", "SYNC", "rm -rf /", "__class__"])
def test_what_is_not_known_is_answered_so(name):
    result = carry_out(Command(name=name, parameters={"x": 1}))
    assert result is not None
    assert (result.command, result.result) == (name, Result.FAIL)
    assert "does not know" in result.detail["error_msg"]
