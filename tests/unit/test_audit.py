import json
from pathlib import Path

import pytest

from rehost.control import audit
from rehost.control.api import OPERATIONS

CONTRACT = json.loads((Path(__file__).parents[1] / "data/sms-v3/contract.json").read_text())
BY_PLACE = {(o["method"], o["path"]): o["cts_event"] for o in CONTRACT["operations"].values()}
AUDITED = [o for o in OPERATIONS if audit.is_audited(o)]


@pytest.mark.parametrize("operation", AUDITED, ids=lambda o: o.name)
def test_events_have_the_names_of_the_api(operation):
    theirs = BY_PLACE.get((operation.method, operation.path))
    assert audit.event(operation) == (theirs or operation.name)


def test_what_changes_something_is_audited_but_progress():
    left_out = {o.name for o in OPERATIONS if o.method not in {"GET", "HEAD"}} - {
        o.name for o in AUDITED
    }
    assert left_out <= {"create_token", "update_task_speed"}
    secrets = {o.name for o in AUDITED if o.method == "GET"}
    assert secrets == audit.SECRETS & {o.name for o in OPERATIONS}
