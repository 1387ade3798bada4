import json
from pathlib import Path

import msgspec

from rehost.model.server import Report

TESTS = Path(__file__).parents[1]
BODY = (TESTS / "machines" / "windows2016" / "registration.json").read_bytes()


def test_the_body_holds_the_facts_of_the_documented_answer():
    shown = json.loads((TESTS / "data" / "sms-v3" / "example.json").read_text())["200"]
    sent = json.loads(BODY)
    assert {k: sent[k] for k in sent.keys() & shown.keys()} == {
        k: shown[k] for k in sent.keys() & shown.keys()
    }


def test_the_body_is_a_report():
    report = msgspec.json.decode(BODY, type=Report)
    assert (report.os_version, report.system_dir) == ("WINDOWS2016_64BIT", "C:\\Windows")
    assert report.facts is None
