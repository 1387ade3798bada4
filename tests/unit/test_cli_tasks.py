"""rehost tasks against a stand-in for the service, over real HTTP."""

import io
import json
from urllib.parse import parse_qs, urlsplit

import pytest

from rehost.cli import complete
from rehost.cli.exits import Exit
from tests.unit import test_cli_commands
from tests.unit.test_cli_commands import (
    WEB,
    StandIn,
    clean_environment,
    logged_in,
    rehost,
    service,
)

__all__ = ["clean_environment", "logged_in", "rehost", "service"]
NOW = 1_700_000_000_000
OLD_ID = "bbbb0000-0000-4000-8000-000000000000"
WEB_ID = "bbbb1111-0000-4000-8000-000000000001"
DB_ID = "bbbb2222-0000-4000-8000-000000000002"


def phase(name, progress=0, start=None, end=None):
    return {
        "name": name,
        "progress": progress,
        "start_date": start,
        "end_date": end,
        "process_trace": "",
    }


def task(task_id, name, source, state="READY", percent=0, **more):
    return {
        "id": task_id,
        "name": name,
        "type": "MIGRATE_BLOCK",
        "state": state,
        "source_server": {"id": source["id"], "name": source["name"]},
        "target_server": {"name": f"{source['name']}-new"},
        "create_date": NOW,
        "subtask_info": json.dumps({"progress": percent}),
        "sub_tasks": [
            phase("CREATE_CLOUD_SERVER", 100 if percent else 0, NOW, NOW if percent else None),
            phase("MIGRATE_LINUX_BLOCK", percent, NOW if percent else None),
        ],
        "error_json": "",
        **more,
    }


DB = test_cli_commands.DB
TASKS = [
    task(WEB_ID, "web", WEB, "RUNNING", 41, migrate_speed=842.5, remain_seconds=131),
    task(DB_ID, "move-db", DB),
    task(OLD_ID, "web", WEB, "MIGRATE_SUCCESS", 100),
]


@pytest.fixture(autouse=True)
def tasks(monkeypatch):
    """What the stand-in knows of tasks; tests change it. Each has the answers to come."""
    known = {t["id"]: [t] for t in TASKS}
    original = StandIn.route

    def route(self, path, query):  # noqa: PLR0911 - a table of answers
        if path == "/v3/tasks" and self.command == "POST":
            return 200, {"id": WEB_ID}
        if path == "/v3/tasks":
            found = [states[0] for states in known.values()]
            wanted = query.get("id")
            return 200, {"tasks": [t for t in found if wanted in (None, t["id"])]}
        if path == "/v3/config":
            return 200, {"config": {}, "regions": [{"id": "local", "name": "local"}]}
        if path == "/v3/auth/projects":
            return 200, {"projects": [{"id": "p1", "name": "default"}]}
        parts = path.split("/")
        if path == "/v3/tasks/delete" or parts[-1] == "action":
            return 200, {}
        if parts[-1] == "speed-limit":
            return 200, {"speed_limit": [{"start": "08:00", "end": "18:00", "speed": 50}]}
        if parts[-1] == "log":
            return 200, {"of": parts[-2]}
        if parts[2] == "tasks" and parts[-1] in known:
            states = known[parts[-1]]
            return 200, states.pop(0) if len(states) > 1 else states[0]
        return original(self, path, query)

    monkeypatch.setattr(StandIn, "route", route)
    return known


def sent(handler, method="POST"):
    return [(path, body) for m, path, body in handler.calls if m == method]


def test_list_in_a_pipe_has_a_line_for_each_task(logged_in, rehost):
    code, out, _ = rehost("tasks", "list")
    assert code == Exit.OK
    assert [line.split()[0] for line in out.splitlines()] == ["Name", "web", "move-db", "web"]
    assert WEB_ID in out
    assert "41 %" in out
    assert "\x1b" not in out


def test_filters_reach_the_service(logged_in, rehost):
    rehost("tasks", "list", "--state", "RUNNING", "--source", "web", "--limit", "5", "--json")
    _, path, _ = logged_in.calls[-1]
    query = {n: v[0] for n, v in parse_qs(urlsplit(path).query).items()}
    assert query == {
        "state": "RUNNING",
        "source_server_id": WEB["id"],
        "limit": "5",
        "offset": "0",
    }


@pytest.mark.parametrize("wanted", ["web", WEB_ID, "bbbb1", WEB["id"][:8]])
def test_task_is_found_by_its_own_name_or_its_source_the_newest_first(logged_in, rehost, wanted):
    code, out, _ = rehost("tasks", "show", wanted, "--json")
    assert (code, json.loads(out)["id"]) == (Exit.OK, WEB_ID)


def test_an_older_task_that_is_named_as_its_source_is_not_guessed(logged_in, rehost, tasks):
    tasks[WEB_ID] = [task(WEB_ID, "again", WEB)]
    code, _, err = rehost("tasks", "delete", "web", "--yes")
    assert code == Exit.USAGE
    assert "fits 2 tasks" in err
    assert not any(call[0] == "DELETE" for call in logged_in.calls)


def test_task_is_found_by_the_name_of_its_source(logged_in, rehost):
    assert json.loads(rehost("tasks", "show", "db", "--json")[1])["id"] == DB_ID


def test_beginning_of_the_ids_of_two_sources_tasks_is_ambiguous(logged_in, rehost):
    code, _, err = rehost("tasks", "show", "bbbb")
    assert code == Exit.USAGE
    assert "fits 2 tasks" in err
    assert DB_ID in err


@pytest.mark.parametrize("wanted", ["nobody", "", "../x"])
def test_unknown_task_is_not_found(logged_in, rehost, wanted):
    assert rehost("tasks", "show", wanted)[0] == Exit.NOT_FOUND


def test_show_says_how_far_each_part_is(logged_in, rehost):
    out = rehost("tasks", "show", "web")[1]
    assert "41 %" in out
    assert "842 Mbit/s" in out
    assert "about 2 min 11 s left" in out
    assert "copy everything" in out


def test_create_sends_what_the_api_needs_and_prints_the_id(logged_in, rehost):
    words = ("--syncing", "--speed-limit", "100", "--priority", "2", "--compare")
    code, out, err = rehost("tasks", "create", "web", *words)
    assert (code, out) == (Exit.OK, WEB_ID + "\n")
    assert f"rehost tasks start {WEB_ID[:8]}" in err
    [(path, body)] = sent(logged_in)
    assert path == "/v3/tasks"
    assert body == {
        "name": "web",
        "type": "MIGRATE_BLOCK",
        "os_type": WEB["os_type"],
        "source_server": {"id": WEB["id"]},
        "target_server": {"name": "web", "vm_id": ""},
        "region_id": "local",
        "region_name": "local",
        "project_id": "p1",
        "project_name": "default",
        "syncing": True,
        "speed_limit": 100,
        "priority": 2,
        "is_need_consistency_check": True,
    }


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("db.example.com of somebody", "db-example-com-of-so"),
        ("数据库 1", "数据库-1"),
        ("...", "migration"),
    ],
)
def test_a_task_is_named_like_its_source_as_far_as_the_api_takes_it(
    logged_in, rehost, monkeypatch, source, name
):
    monkeypatch.setitem(WEB, "name", source)
    rehost("tasks", "create", WEB["id"])
    assert sent(logged_in)[0][1]["name"] == name


@pytest.mark.parametrize("operation", ["start", "stop", "restart", "sync", "cutover", "skip"])
def test_actions_reach_each_task_once(logged_in, rehost, operation):
    assert rehost("tasks", operation, "web", "db", "bbbb1")[0] == Exit.OK
    assert sent(logged_in) == [
        (f"/v3/tasks/{task_id}/action", {"operation": operation}) for task_id in (WEB_ID, DB_ID)
    ]


@pytest.mark.parametrize("operation", ["sync", "cutover"])
def test_comparing_once_more_is_asked_for(logged_in, rehost, operation):
    assert rehost("tasks", operation, "web", "--compare")[0] == Exit.OK
    body = {"operation": operation, "is_need_consistency_check": True}
    assert sent(logged_in) == [(f"/v3/tasks/{WEB_ID}/action", body)]


def test_only_one_task_is_watched(logged_in, rehost):
    code, _, err = rehost("tasks", "start", "web", "db", "--watch")
    assert code == Exit.FAILED
    assert "name one" in err
    assert logged_in.calls == []


def test_limits_are_said_shown_and_taken_away(logged_in, rehost):
    assert "50" in rehost("tasks", "limit", "web")[1]
    rehost("tasks", "limit", "web", "08:00-18:00=50", "22:00-06:00=0")
    rehost("tasks", "limit", "web", "--none")
    path = f"/v3/tasks/{WEB_ID}/speed-limit"
    assert sent(logged_in) == [
        (
            path,
            {
                "speed_limit": [
                    {"start": "08:00", "end": "18:00", "speed": 50},
                    {"start": "22:00", "end": "06:00", "speed": 0},
                ]
            },
        ),
        (path, {"speed_limit": []}),
    ]


@pytest.mark.parametrize("limit", ["50", "08:00=50", "8-18=50", "08:00-18:00", "08:00-18:00=fast"])
def test_a_limit_that_is_none_is_refused_with_an_example(logged_in, rehost, limit):
    code, _, err = rehost("tasks", "limit", "web", limit)
    assert code == Exit.FAILED
    assert "08:00-18:00=50" in err
    assert sent(logged_in) == []


def test_delete_asks_and_several_are_one_call(logged_in, rehost, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert rehost("tasks", "delete", "web")[0] == Exit.FAILED
    assert {method for method, *_ in logged_in.calls} == {"GET"}
    assert rehost("tasks", "delete", "web", "db", "--yes")[0] == Exit.OK
    assert sent(logged_in) == [("/v3/tasks/delete", {"ids": [WEB_ID, DB_ID]})]


def stages(tasks, *states):
    """What the task says at each look."""
    tasks[WEB_ID][:] = [task(WEB_ID, "web", WEB, *state) for state in states]


def test_watching_in_a_pipe_has_a_line_for_each_change_and_ends_with_the_task(
    logged_in, rehost, tasks
):
    stages(tasks, ("RUNNING", 1), ("RUNNING", 1), ("SYNCING", 86), ("MIGRATE_SUCCESS", 100))
    code, out, _ = rehost("tasks", "watch", WEB_ID, "--interval", "0.2")
    assert code == Exit.OK
    lines = out.splitlines()
    assert [line.split(",")[0] for line in lines] == ["RUNNING", "SYNCING", "MIGRATE_SUCCESS"]
    assert "copy everything 1 %" in lines[0]
    assert "\x1b" not in out


def test_watching_ends_where_it_is_told_to(logged_in, rehost, tasks):
    stages(tasks, ("RUNNING", 1), ("SYNCING", 86))
    words = ("tasks", "watch", WEB_ID, "--interval", "0.2", "--until", "SYNCING")
    assert rehost(*words)[0] == Exit.OK


@pytest.mark.parametrize("state", ["MIGRATE_FAIL", "SYNC_FAIL", "ABORT"])
def test_watching_a_failure_fails_and_says_why(logged_in, rehost, tasks, state):
    error = json.dumps({"error_code": "REHOST.1", "error_msg": "the disk is full"})
    tasks[WEB_ID][:] = [task(WEB_ID, "web", WEB, state, 41, error_json=error)]
    code, out, _ = rehost("tasks", "watch", WEB_ID)
    assert code == Exit.FAILED
    assert "REHOST.1 the disk is full" in out


def test_watching_outlives_a_service_that_restarts(logged_in, rehost, tasks, monkeypatch):
    stages(tasks, ("RUNNING", 1), ("MIGRATE_SUCCESS", 100))
    answers = iter([502, 200, 200, 200, 200])
    original = StandIn.answer

    def answer(self, status, body, headers=None):
        again = next(answers)
        original(self, *((status, body, headers) if again == 200 else (again, "restarting")))

    monkeypatch.setattr(StandIn, "answer", answer)
    code, out, err = rehost("tasks", "watch", WEB_ID, "--interval", "0.2")
    assert code == Exit.OK
    assert "trying again" in err
    assert "MIGRATE_SUCCESS" in out


def test_watching_on_a_terminal_draws_in_place_and_leaves_the_last_picture(
    logged_in, rehost, tasks, monkeypatch
):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    stages(tasks, ("RUNNING", 41), ("MIGRATE_SUCCESS", 100))
    code, out, _ = rehost("tasks", "watch", WEB_ID, "--interval", "0.2")
    assert code == Exit.OK
    assert "\x1b[1A" in out  # goes up, to draw over what was there
    assert "100 %" in out.rsplit("\x1b[1A", 1)[-1]


def test_interrupting_it_leaves_the_task_alone(logged_in, rehost, tasks, monkeypatch):
    def interrupt(_seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr("rehost.cli.watch.time.sleep", interrupt)
    code, _, err = rehost("tasks", "watch", "web")
    assert code == Exit.INTERRUPTED
    assert "The task itself goes on" in err
    assert sent(logged_in) == []


def test_logs_are_asked_for_waited_for_and_kept(logged_in, rehost, tasks, tmp_path):
    file = tmp_path / "log"
    tasks[WEB_ID][:] = [task(WEB_ID, "web", WEB, "RUNNING", 1, log_collect_status="UPLOADED")]
    code, out, _ = rehost("tasks", "logs", "web", "--output", str(file))
    assert (code, out) == (Exit.OK, f"{file}\n")
    assert json.loads(file.read_bytes()) == {"of": WEB_ID}
    assert sent(logged_in) == [(f"/v3/tasks/{WEB_ID}/action", {"operation": "collect_log"})]


def test_logs_that_do_not_come_are_explained(logged_in, rehost, tasks, tmp_path):
    tasks[WEB_ID][:] = [task(WEB_ID, "web", WEB, "RUNNING", 1, log_collect_status="UPLOAD_FAIL")]
    code, _, err = rehost("tasks", "logs", "web", "--output", str(tmp_path / "log"))
    assert code == Exit.UNREACHABLE
    assert "could not hand in" in err
    assert not (tmp_path / "log").exists()


def test_completion_offers_names_and_ids_of_tasks(logged_in):
    assert [word for word, _ in complete.complete_task("mo")] == ["move-db"]
    assert [word for word, _ in complete.complete_task("bbbb2")] == [DB_ID]
