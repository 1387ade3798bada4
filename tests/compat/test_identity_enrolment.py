import hashlib
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.compat.bodies import linux
from tests.compat.conftest import Service

TOOLS = (
    *("sh", "cat", "chmod", "cp", "grep", "head", "id", "mktemp", "rm", "sha256sum", "tail"),
    "uname",
)


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
    with urllib.request.urlopen(f"{service.url}/agent/rehost-agent.run") as answer:
        program = answer.read()
        assert answer.headers["Content-Type"] == "application/octet-stream"
    assert hashlib.sha256(program).hexdigest() == enrolment["digest"]
    assert enrolment["digest"] in enrolment["line"]
    assert enrolment["offline_line"] in enrolment["line"]


@pytest.mark.needs("root")
@pytest.mark.parametrize("downloader", ["curl", "wget"])
def test_the_line_works_as_it_is_pasted(service, enrolment, tmp_path, downloader):
    if not (found := shutil.which(downloader)):
        pytest.skip(f"{downloader} is not installed")
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    for tool in (*TOOLS, downloader):
        (bin_ / tool).symlink_to(found if tool == downloader else str(shutil.which(tool)))
    (bin_ / "python3").symlink_to(Path(sys.executable).resolve())
    # Registers only: the test's machine keeps its services.
    line = enrolment["line"].replace(
        "rehost-agent.run --service", "rehost-agent.run register --state-dir state --service"
    )
    for _ in range(2):  # pasted twice, for example because the connection broke
        done = subprocess.run(
            ["sh", "-ec", line],
            cwd=tmp_path,
            env={"PATH": str(bin_)},
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert "taking the Python that is here" in done.stderr
        assert (tmp_path / "state" / "agent.json").exists()
    assert {p.name for p in tmp_path.iterdir()} == {"bin", "state"}


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
