import hashlib
import re
import shutil
import subprocess
import time
import urllib.request

import pytest

from tests.compat.bodies import linux
from tests.compat.conftest import Service


@pytest.fixture
def enrolment(service: Service) -> dict[str, str]:
    status, _, answer = service.call(
        "POST", "/v3/rehost/enrolments", {"hours": 2}, X_Auth_Token=service.token()
    )
    assert status == 201
    return dict(answer)


def test_a_code_lasts_as_long_as_asked(enrolment):
    left = int(enrolment["expires_at"]) / 1000 - time.time()
    assert 7100 < left <= 7200
    assert re.fullmatch("([0-9A-HJKMNP-TV-Z]{4}-){4}[0-9A-HJKMNP-TV-Z]{4}", enrolment["code"])


def test_the_agent_handed_out_is_the_one_in_the_line(service, enrolment):
    with urllib.request.urlopen(f"{service.url}/agent/rehost-agent.pyz") as answer:
        program = answer.read()
        assert answer.headers["Content-Type"] == "application/octet-stream"
    assert hashlib.sha256(program).hexdigest() in enrolment["line"]


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_line_works_as_it_is_pasted(service, enrolment, tmp_path):
    fetch, check, install = enrolment["line"].split(" && ")
    # Registers only: the test's machine keeps its services.
    assert install.startswith("$(command -v sudo) python3 ")  # root's own machines lack sudo
    register = install.replace("$(command -v sudo) ", "").replace(
        " install ", " register --state-dir state "
    )
    line = f"{fetch} && {check} && {register}"
    subprocess.run(["sh", "-ec", line], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "state").exists()
    # Pasted twice, for example because the connection broke.
    subprocess.run(["sh", "-ec", line], cwd=tmp_path, check=True, capture_output=True)


@pytest.mark.parametrize("hours", [0, 169, -1, "day", 1.5, None])
def test_hours_are_within_a_week(service, hours):
    status, _, answer = service.call(
        "POST", "/v3/rehost/enrolments", {"hours": hours}, X_Auth_Token=service.token()
    )
    assert (status, "hours" in answer["error_msg"]) == (400, True)


def test_a_reader_lets_nobody_in(service):
    token = service.token("reader")
    status, _, answer = service.call("POST", "/v3/rehost/enrolments", {}, X_Auth_Token=token)
    assert (status, answer["error_code"]) == (403, "SMS.9004")


def test_a_code_is_for_one_project(service):
    with service.house() as opened:
        token = opened.token(opened.user("several", one="admin", two="admin"))
        two = opened.project("two").id
    status, _, answer = service.call("POST", "/v3/rehost/enrolments", {}, X_Auth_Token=token)
    assert (status, "X-Project-Id" in answer["error_msg"]) == (400, True)
    asked = {"X_Auth_Token": token, "X_Project_Id": two}
    assert service.call("POST", "/v3/rehost/enrolments", {}, **asked)[0] == 201


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v3/sources"), ("POST", "/v3/rehost/enrolments"), ("GET", "/v3/config")],
)
def test_a_code_opens_nothing_but_registration(service, enrolment, method, path):
    body = b"{}" if method == "POST" else None
    status, *_ = service.call(method, path, body, X_Enrolment_Code=enrolment["code"])
    assert status == 403


def test_a_code_does_not_reach_another_machine_by_its_id(service, enrolment):
    token = service.token()
    _, _, other = service.call("POST", "/v3/sources", linux(), X_Auth_Token=token)
    nobody = linux(id=other["id"], name="intruder", facts={"identity": {}})
    status, _, answer = service.call(
        "POST", "/v3/sources", nobody, X_Enrolment_Code=enrolment["code"]
    )
    assert (status, answer["id"] == other["id"]) == (200, False)
    _, _, shown = service.call("GET", f"/v3/sources/{other['id']}", X_Auth_Token=token)
    assert shown["name"] == "web-1"
