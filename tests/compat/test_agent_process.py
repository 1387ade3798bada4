"""The agent as a process, packed as it is handed out, against a service that a test directs."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from rehost.agent.exits import Exit
from rehost.contract.bundle import build_agent_bundle
from tests.compat.standin import Say, Seen, make_certificate, standin

CODE, TOKEN, SOURCE = "code-1", "agent-token-1", "source-1"


@dataclass
class Service:
    """Answers as the service does; `instead` may answer first."""

    command: dict[str, object] = field(default_factory=lambda: {"command_name": "TASK_NOT_STARTED"})
    instead: Callable[[Seen], Say | None] = lambda _: None

    def __call__(self, seen: Seen) -> Say:
        if say := self.instead(seen):
            return say
        by_code = seen.headers.get("X-Enrolment-Code") == CODE
        if not by_code and seen.headers.get("X-Auth-Token") != TOKEN:
            return Say(status=401, body={"error_code": "APIGW.0301", "error_msg": "who are you?"})
        what = (seen.method, seen.target)
        if what == ("POST", "/v3/sources"):
            token = {"agent_token": TOKEN} if by_code else {}
            return Say(status=201 if by_code else 200, body={"id": SOURCE, **token})
        if what == ("GET", "/v3/config"):
            return Say(body={"config": {"poll_interval": "0.1"}})
        if what == ("GET", f"/v3/sources/{SOURCE}/command?carrying_out=0"):
            return Say(body=self.command)
        return Say(body={})


class Bundle:
    def __init__(self, pyz, state) -> None:
        self.pyz = pyz
        self.state = state
        self.started: list[subprocess.Popen[str]] = []

    def start(self, *argv: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", self.pyz, *argv, "--state-dir", self.state],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def do(self, *argv: str) -> tuple[int, str]:
        process = self.start(*argv)
        out, err = process.communicate(timeout=60)
        return process.returncode, out + err

    def end(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()


def ended(process: subprocess.Popen[str]) -> tuple[int, list[dict[str, str]]]:
    _, err = process.communicate(timeout=30)
    return process.returncode, [json.loads(line) for line in err.splitlines()]


def until(question: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not question():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def polls(server) -> int:
    return sum("/command?" in seen.target for seen in server.seen)


@pytest.fixture(scope="module")
def pyz(tmp_path_factory):
    out = tmp_path_factory.mktemp("bundle") / "rehost-agent"
    build_agent_bundle(out)
    return out


@pytest.fixture
def agent(pyz, tmp_path):
    bundle = Bundle(pyz, tmp_path / "state")
    yield bundle
    bundle.end()


@pytest.fixture
def registered(agent):
    with standin(Service()) as server:
        assert agent.do("register", "--service", server.url, "--code", CODE)[0] == 0
    return server.server_port


def test_registers_and_keeps_the_credential_to_itself(agent):
    with standin(Service()) as server:
        code, said = agent.do(
            "register", "--service", server.url, "--code", CODE, "--name", "web-1"
        )
    assert code == 0
    assert said == f"registered with {server.url} as source {SOURCE}\n"
    assert server.seen[0].body["name"] == "web-1"
    file = agent.state / "agent.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(agent.state.stat().st_mode) == 0o700
    assert json.loads(file.read_text())["enrolment"]["token"] == TOKEN


def test_a_wrong_code_is_said_to_be_refused(agent):
    with standin(Service()) as server:
        code, said = agent.do("register", "--service", server.url, "--code", "wrong")
    assert code == Exit.NOT_PERMITTED
    assert said == "rehost-agent: who are you?\n"
    assert not (agent.state / "agent.json").exists()


def test_a_code_is_not_spent_where_the_credential_cannot_be_kept(agent):
    agent.state.mkdir(mode=0o777)
    agent.state.chmod(0o777)
    with standin(Service()) as server:
        code, said = agent.do("register", "--service", server.url, "--code", CODE)
    assert code == Exit.FAILED
    assert "--state-dir" in said
    assert server.seen == []


def test_a_pinned_service_stays_recognised(agent, tmp_path):
    certificate, pin = make_certificate(tmp_path, address="192.0.2.1")
    with standin(Service(), certificate=certificate) as server:
        code, said = agent.do("register", "--service", server.url, "--code", CODE, "--pin", pin)
        assert code == 0, said
        process = agent.start("run")
        until(lambda: polls(server) > 1)
        process.terminate()
        assert process.wait(10) == 0


def test_reports_then_polls_then_ends_at_once(agent, registered):
    with standin(Service(), port=registered) as server:
        process = agent.start("run")
        until(lambda: polls(server) > 3)
        begin = time.monotonic()
        process.terminate()
        code, lines = ended(process)
    assert time.monotonic() - begin < 1
    assert code == 0
    assert server.seen[0].target == "/v3/sources"
    assert server.seen[0].body["id"] == SOURCE
    assert {seen.headers["X-Auth-Token"] for seen in server.seen} == {TOKEN}
    assert [line["message"] for line in lines] == [f"connected to {server.url}"]


def test_hangs_up_to_look_again(agent, registered):
    with standin(Service(), port=registered) as server:
        process = agent.start("run")
        until(lambda: polls(server) > 1)
        before = sum(seen.target == "/v3/config" for seen in server.seen)
        process.send_signal(signal.SIGHUP)
        until(lambda: sum(seen.target == "/v3/config" for seen in server.seen) > before)
        process.terminate()
        assert ended(process)[0] == 0


def test_outlives_a_restart_of_the_service(agent, registered):
    with standin(Service(), port=registered) as server:
        process = agent.start("run")
        until(lambda: polls(server) > 1)
    time.sleep(1)
    with standin(Service(), port=registered) as server:
        until(lambda: polls(server) > 1)
        process.terminate()
        code, lines = ended(process)
    assert code == 0
    told = [line["message"].split(" ")[0] for line in lines]
    assert told == ["connected", "no", "connected"]


def test_a_page_of_a_proxy_is_no_answer(agent, registered):
    service = Service()
    with standin(service, port=registered) as server:
        process = agent.start("run")
        until(lambda: polls(server) > 1)
        service.instead = lambda _: Say(status=404, raw=b"<html>not here")
        before = len(server.seen)
        until(lambda: len(server.seen) > before + 1)
        service.instead = lambda _: None
        before = polls(server)
        until(lambda: polls(server) > before + 1)
        process.terminate()
        assert ended(process)[0] == 0


def test_a_deleted_source_ends_the_agent_for_good(agent, registered):
    gone = Say(status=401, body={"error_code": "APIGW.0301", "error_msg": "revoked"})
    service = Service()
    with standin(service, port=registered) as server:
        process = agent.start("run")
        until(lambda: polls(server) > 1)
        service.instead = lambda _: gone
        code, lines = ended(process)
    assert code == Exit.GONE
    assert "register again" in lines[-1]["message"]


def test_a_moment_of_refusal_does_not(agent, registered):
    gone = Say(status=404, body={"error_code": "SMS.0202", "error_msg": "not found"})
    service = Service()
    with standin(service, port=registered) as server:
        service.instead = lambda seen: (
            gone if "/command?" in seen.target and polls(server) in (1, 2) else None
        )
        process = agent.start("run")
        until(lambda: polls(server) > 5)
        process.terminate()
        assert ended(process)[0] == 0


def test_an_unknown_command_is_answered(agent, registered):
    service = Service(command={"command_name": "RSET_LOG_ACL", "command_param": {"task_id": "t"}})
    with standin(service, port=registered) as server:
        process = agent.start("run")
        until(lambda: any(seen.target.endswith("command_result") for seen in server.seen))
        process.terminate()
        ended(process)
    answer = next(seen for seen in server.seen if seen.target.endswith("command_result"))
    assert answer.target == f"/v3/sources/{SOURCE}/command_result"
    assert answer.body["command_name"] == "RSET_LOG_ACL"
    assert answer.body["result"] == "fail"
    assert "does not know" in answer.body["result_detail"]["error_msg"]


def test_a_report_that_the_service_refuses_does_not_stop_the_polls(agent, registered):
    bad = Say(status=400, body={"error_code": "REHOST.4000", "error_msg": "no such field"})
    service = Service(instead=lambda seen: bad if seen.method == "POST" else None)
    with standin(service, port=registered) as server:
        process = agent.start("run")
        until(lambda: polls(server) > 4)
        process.terminate()
        _, lines = ended(process)
    assert ["no such field" in line["message"] for line in lines].count(True) == 1


def test_a_second_agent_is_refused(agent, registered):
    with standin(Service(), port=registered) as server:
        agent.start("run")
        until(lambda: polls(server) > 1)
        code, lines = ended(agent.start("run"))
    assert code == Exit.FAILED
    assert "already" in lines[-1]["message"]


def test_without_a_credential_it_says_how_to_get_one(agent):
    code, lines = ended(agent.start("run"))
    assert code == Exit.NOT_REGISTERED
    assert "rehost enroll" in lines[-1]["message"]


def test_killed_before_the_credential_came_it_registers_again(agent):
    service = Service()
    with standin(service) as server:
        argv = ("register", "--service", server.url, "--code", CODE)
        process: list[subprocess.Popen[str]] = []

        def kill(_: Seen) -> None:
            until(lambda: process)
            os.kill(process[0].pid, signal.SIGKILL)

        service.instead = kill
        process.append(agent.start(*argv))
        assert process[0].wait(30) == -signal.SIGKILL
        assert not (agent.state / "agent.json").exists()
        service.instead = lambda _: None
        assert agent.do(*argv)[0] == 0


def test_writes_nothing_but_its_state(agent, registered):
    with standin(Service(), port=registered) as server:
        process = agent.start("run")
        until(lambda: polls(server) > 3)
        process.kill()
        process.wait()
    assert list(agent.state.iterdir()) == [agent.state / "agent.json"]
