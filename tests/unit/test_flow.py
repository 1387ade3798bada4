import json
from pathlib import Path

import pytest

from rehost.flow import FLOWS, Runner, progress

CONTRACT = Path(__file__).parents[1] / "data" / "sms-v3" / "contract.json"
NAMES = json.loads(CONTRACT.read_text())["models"]["UpdateTaskSpeedReq"]["fields"]["subtask_name"]
flows = pytest.mark.parametrize("phases", FLOWS.values(), ids=map(str, FLOWS))


@flows
def test_phases_have_the_names_of_the_api_and_come_once(phases):
    names = [phase.name for phase in phases]
    assert set(names) <= set(NAMES["enum"])
    assert len(names) == len(set(names))


@flows
def test_the_agent_copies_and_the_service_does_the_rest(phases):
    by_agent = {phase.name for phase in phases if phase.runner is Runner.AGENT}
    assert by_agent == {p.name for p in phases if p.name.startswith(("MIGRATE_", "SYNC_"))}


@flows
def test_it_is_done_when_every_phase_that_weighs_is(phases):
    assert progress(phases, {}) == 0
    whole = {phase.name: 100 for phase in phases if phase.weight}
    assert progress(phases, whole) == 100
    for name in whole:
        assert progress(phases, whole | {name: 99}) < 100
