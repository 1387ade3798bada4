import json
import re
from pathlib import Path

import pytest

from rehost.control.roles import ADMIN, AGENT, ENROLLED, OPERATOR, READER, ROLES

CONTRACT = json.loads((Path(__file__).parents[1] / "data/sms-v3/contract.json").read_text())
ACTIONS = {o["iam_action"]: o["caller"] for o in CONTRACT["operations"].values() if o["iam_action"]}
OF_AGENTS = {
    "rehost:command:handle",
    "rehost:task:certify",
    "rehost:task:getConfiguration",
    "rehost:task:tellPoint",
    "rehost:task:transfer",
    "rehost:task:updateNetworkCheck",
    "rehost:task:uploadLog",
}
OURS = OF_AGENTS | {
    "rehost:audit:list",
    "rehost:enrolment:create",
    "rehost:task:configure",
    "rehost:task:getConsistency",
    "rehost:task:readConsole",
    "rehost:task:readLog",
}


def test_every_action_of_the_api_is_known_and_no_other():
    assert ACTIONS.keys() | OURS == ADMIN


def test_agents_may_do_what_the_api_has_agents_do():
    of_agents = {action for action, caller in ACTIONS.items() if "agent" in caller}
    assert of_agents | OF_AGENTS | {"sms:server:get"} == AGENT


def test_each_role_has_what_the_weaker_have():
    assert ENROLLED < AGENT < OPERATOR < ADMIN
    assert READER < OPERATOR
    assert set(ROLES) == {"admin", "operator", "reader"}


@pytest.mark.parametrize("action", sorted(ADMIN))
def test_a_reader_only_looks_and_sees_no_secret(action):
    verb = action.rsplit(":", 1)[-1]
    looks = re.match("get|list|overview", verb) is not None
    secret = re.search("Pass", verb) is not None
    others = "audit" in action  # what others do is the administrator's business
    assert (action in READER) == (looks and not secret and not others)
