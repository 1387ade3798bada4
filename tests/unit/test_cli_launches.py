"""rehost tasks test, launches and the like, against a stand-in for the service, over real HTTP."""

import json

import pytest

from rehost.cli import starts
from rehost.cli.exits import Exit
from tests.unit.test_cli_commands import StandIn
from tests.unit.test_cli_tasks import (
    NOW,
    WEB_ID,
    clean_environment,
    logged_in,
    rehost,
    sent,
    service,
    tasks,
)

__all__ = ["clean_environment", "logged_in", "rehost", "service", "tasks"]


def launch(kind="test", state="done", outcome="up", **more):
    return {
        "kind": kind,
        "state": state,
        "server_id": f"{WEB_ID}-test",
        "stands": True,
        "cut_at": NOW,
        "frozen_ms": 41.4,
        "boot_at": NOW + 9_000,
        "up_at": NOW + 61_000 if outcome == "up" else None,
        "downtime_ms": None,
        "changed": ["ens3 keeps its name: it is bound to 52:54:00:00:01:01"],
        "runs_on": "emulated (TCG), many times slower than KVM",
        "outcome": outcome,
        "why": "it asks for a login",
        "last_lines": ["Debian GNU/Linux 12 vm ttyS0", "vm login:"],
        "failed_units": ["Some Service"],
        "not_frozen": [["/boot/efi", "vfat cannot be frozen"]],
        "failed_hooks": [],
        "has_screenshot": True,
        "error": None,
        **more,
    }


@pytest.fixture
def known(monkeypatch, logged_in):
    """The answers of …/launches to come; the last one stays."""
    answers = [[launch()]]
    original = StandIn.route
    monkeypatch.setattr(starts, "LOOK_EVERY_S", 0)

    def route(self, path, query):
        if path.endswith("/launches"):
            return 200, {"launches": answers.pop(0) if len(answers) > 1 else answers[0]}
        if path == "/v3/vm/templates":
            return 200, {"templates": [{"id": "t-1", "name": "small"}]}
        if path.endswith(("/console", "/screenshot")):
            return 200, {"of": path}
        return original(self, path, query)

    monkeypatch.setattr(StandIn, "route", route)
    return answers


def test_launches_say_what_was_done_and_what_came_of_it(known, rehost):
    known[:] = [[launch(), launch("final", downtime_ms=61_000, stands=False)]]
    code, out, _ = rehost("tasks", "launches", "web")
    assert code == Exit.OK
    for said in (
        "Test of the target · up: it asks for a login",
        "The target · up",
        "stood still for 41 ms",
        "/boot/efi: vfat cannot be frozen",
        "ens3 keeps its name",
        "up after             52 s",
        "1 min 1 s from that moment until it was up",
        "failed unit          Some Service",
        "off; its disks are as copied",
        "vm login:",
    ):
        assert said in out


def test_what_a_server_says_does_not_reach_the_terminal_as_commands(known, rehost):
    evil = "\x1b]52;c;ZXZpbA==\x07"
    named = {"changed": [evil], "failed_hooks": [evil], "not_frozen": [[evil, evil]]}
    known[:] = [[launch(last_lines=[evil], failed_units=[evil], **named)]]
    assert "\x1b" not in rehost("tasks", "launches", "web")[1]


def test_start_that_was_broken_off_does_not_look_under_way(known, rehost):
    known[:] = [[launch("final", state="starting", outcome=None, stands=False)]]
    out = rehost("tasks", "launches", "web")[1]
    assert "it is started" not in out
    assert "turned off before it was up" in out


def test_test_that_waits_for_its_agent_says_so(known, rehost):
    known[:] = [[launch(state="wanted", outcome=None, why="the source's agent is not connected")]]
    out = rehost("tasks", "launches", "web")[1]
    assert "stands still: the source's agent is not connected" in " ".join(out.split())


def test_nothing_started_says_what_to_do(known, rehost):
    known[:] = [[]]
    code, out, err = rehost("tasks", "launches", "web")
    assert (code, out) == (Exit.OK, "")
    assert "rehost tasks test web" in err


def test_json_is_the_services(known, rehost):
    assert json.loads(rehost("tasks", "launches", "web", "--json")[1])["launches"] == known[0]


def test_test_is_watched_to_its_verdict(known, rehost, logged_in):
    wanted = launch(state="wanted", outcome=None, boot_at=None, last_lines=[])
    known[:] = [[wanted], [wanted], [launch(state="starting", outcome=None)], [launch()]]
    code, out, err = rehost("tasks", "test", "web", "--watch")
    assert code == Exit.OK
    assert sent(logged_in)[0][1] == {"operation": "clone_test"}
    assert err.count("waits for a moment") == 1
    assert "it is started" in err
    assert "up: it asks for a login" in out


def test_drill_is_asked_for_and_shown_as_one(known, rehost, logged_in):
    known[:] = [[launch(is_drill=True)]]
    code, out, _ = rehost("tasks", "test", "web", "--drill", "--template", "small", "--watch")
    assert code == Exit.OK
    assert sent(logged_in)[0][1] == {"operation": "migration_test", "template_id": "t-1"}
    assert "Migration drill" in out


@pytest.mark.parametrize(
    "bad",
    [
        launch(outcome="failed", why="the kernel panicked"),
        launch(
            state="failed",
            outcome=None,
            error={"error_code": "REHOST.4107", "error_msg": "cannot be copied"},
        ),
    ],
)
def test_test_that_fails_says_so_by_its_exit_code_too(known, rehost, bad):
    known[:] = [[bad]]
    code, out, _ = rehost("tasks", "test", "web", "--watch")
    assert code == Exit.FAILED
    assert "panicked" in out or "REHOST.4107 cannot be copied" in out


@pytest.mark.parametrize(
    ("command", "operation"), [("clear", "clear"), ("rollback", "sync_failed_rollback")]
)
def test_actions_on_what_was_started(known, rehost, logged_in, command, operation):
    assert rehost("tasks", command, "web")[0] == Exit.OK
    assert sent(logged_in) == [(f"/v3/tasks/{WEB_ID}/action", {"operation": operation})]


@pytest.mark.parametrize(("options", "kind"), [((), "final"), (("--test",), "test")])
def test_console_and_screenshot_are_fetched(known, rehost, tmp_path, options, kind):
    path = f"/v3/rehost/tasks/{WEB_ID}/launches/{kind}"
    assert f"{path}/console" in rehost("tasks", "console", "web", *options)[1]
    file = tmp_path / "a.png"
    rehost("tasks", "screenshot", "web", "-o", str(file), *options)
    assert f"{path}/screenshot" in file.read_text()
