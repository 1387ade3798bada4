"""The operator's commands against the real service."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable

import pytest

from tests.compat.bodies import linux, new_task
from tests.compat.conftest import Service

Rehost = Callable[..., subprocess.CompletedProcess[str]]
PASSWORD = "a long enough password"


@pytest.fixture
def rehost(service: Service, tmp_path) -> Rehost:
    """Run `rehost` as an operator whose home is empty."""
    inherited = {n: v for n, v in os.environ.items() if not n.startswith("REHOST_")}
    environ = {**inherited, "XDG_CONFIG_HOME": str(tmp_path), "COLUMNS": "100"}

    def run(*words: str, text: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "rehost", *words],
            input=text,
            env=environ | variables,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def user(service: Service) -> str:
    name = f"cli-{uuid.uuid4().hex[:8]}"
    service.rehost("project", "create", name)
    service.rehost(
        "user", "create", name, "--project", name, "--password-stdin", stdin=PASSWORD + "\n"
    )
    return name


@pytest.fixture
def logged_in(service: Service, rehost: Rehost, user: str) -> Rehost:
    words = ("login", "--service", service.url, "--user", user, "--project", user)
    done = rehost(*words, "--password-stdin", text=PASSWORD + "\n")
    assert done.returncode == 0, done.stderr
    return rehost


@pytest.fixture
def source_id(service: Service, logged_in: Rehost) -> str:
    token = logged_in("token").stdout.strip()
    body = linux(name="web", paravirtualization=True)
    status, _, answer = service.call("POST", "/v3/sources", body, X_Auth_Token=token)
    assert status == 200, answer
    return str(answer["id"])


def test_wrong_password_is_one_sentence_and_exit_4(service: Service, rehost: Rehost, user: str):
    words = ("login", "--service", service.url, "--user", user, "--project", user)
    done = rehost(*words, "--password-stdin", text="guess\n")
    assert done.returncode == 4
    assert len(done.stderr.splitlines()) == 1


def test_printed_token_works_for_scripts(service: Service, logged_in: Rehost):
    token = logged_in("token").stdout.strip()
    assert service.call("GET", "/v3/sources", X_Auth_Token=token)[0] == 200


def test_json_is_the_services_own(service: Service, logged_in: Rehost, source_id: str):
    token = logged_in("token").stdout.strip()
    _, _, shown = service.call("GET", f"/v3/sources/{source_id}", X_Auth_Token=token)
    assert json.loads(logged_in("sources", "show", "web", "--json").stdout) == shown
    listed = json.loads(logged_in("sources", "list", "--json").stdout)
    assert (listed["count"], listed["source_servers"][0]["id"]) == (1, source_id)


def test_source_from_registration_to_deletion(logged_in: Rehost, source_id: str):
    assert source_id in logged_in("sources", "list", "--state", "unavailable").stdout
    shown = logged_in("sources", "show", source_id[:8]).stdout
    assert "PARAVIRTUALIZATION" in shown
    assert "cannot be migrated" in shown
    assert "PARAVIRTUALIZATION" in logged_in("errors", "--json").stdout
    assert source_id in logged_in("errors").stdout
    assert "1 source server" in logged_in("overview").stdout
    assert logged_in("sources", "rename", "web", "www").returncode == 0
    assert logged_in("sources", "delete", "www", "--yes").returncode == 0
    gone = logged_in("sources", "show", source_id)
    assert (gone.returncode, len(gone.stderr.splitlines())) == (3, 1)
    nothing = logged_in("sources", "list")
    assert (nothing.returncode, nothing.stdout) == (0, "")


def test_revoked_token_says_to_log_in(logged_in: Rehost, service: Service):
    done = logged_in("sources", "list", REHOST_SERVICE=service.url, REHOST_TOKEN="wrong")
    assert done.returncode == 4
    assert "rehost login" in done.stderr


def test_key_pair_of_variables_is_used(service: Service, rehost: Rehost):
    done = rehost(
        "sources", "list", REHOST_SERVICE=service.url, REHOST_AK="nobody", REHOST_SK="secret"
    )
    assert done.returncode == 4


def test_enrolment_line_names_this_service(service: Service, logged_in: Rehost):
    done = logged_in("enroll", "--hours", "1")
    assert done.returncode == 0, done.stderr
    [line] = done.stdout.splitlines()
    assert service.url in line


def test_logout_revokes_the_token(service: Service, logged_in: Rehost):
    token = logged_in("token").stdout.strip()
    assert service.call("GET", "/v3/sources", X_Auth_Token=token)[0] == 200
    done = logged_in("logout")
    assert (done.returncode, done.stderr) == (0, "Logged out.\n")
    assert service.call("GET", "/v3/sources", X_Auth_Token=token)[0] == 401
    assert logged_in("logout").stderr == "You were not logged in.\n"


def test_logout_forgets_a_token_that_the_service_has_forgotten(service: Service, logged_in: Rehost):
    token = logged_in("token").stdout.strip()
    service.call("DELETE", "/v3/auth/tokens", X_Auth_Token=token, X_Subject_Token=token)
    assert logged_in("logout").stderr == "Logged out.\n"


@pytest.fixture
def task_id(logged_in: Rehost, service: Service) -> str:
    token = logged_in("token").stdout.strip()
    status, _, answer = service.call("POST", "/v3/sources", linux(name="db"), X_Auth_Token=token)
    assert status == 200, answer
    made = logged_in("tasks", "create", "db", "--speed-limit", "100")
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def test_task_from_creation_to_deletion(logged_in: Rehost, task_id: str):
    assert "READY" in logged_in("tasks", "show", "db").stdout
    assert logged_in("tasks", "start", task_id).returncode == 0
    [task] = json.loads(logged_in("tasks", "list", "--json").stdout)["tasks"]
    assert (task["id"], task["state"], task["speed_limit"]) == (task_id, "RUNNING", 100)
    refused = logged_in("tasks", "delete", "db", "--yes")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)
    assert logged_in("tasks", "stop", "db").returncode == 0
    assert "ABORTING" in logged_in("tasks", "list", "--source", "db").stdout


def test_json_of_a_list_is_of_all_unless_a_page_is_wanted(logged_in: Rehost, service: Service):
    token = logged_in("token").stdout.strip()
    more_than_a_page = 51
    for _ in range(more_than_a_page):
        source = service.call("POST", "/v3/sources", linux(), X_Auth_Token=token)[2]["id"]
        assert service.call("POST", "/v3/tasks", new_task(source), X_Auth_Token=token)[0] == 200
    every = json.loads(logged_in("tasks", "list", "--json").stdout)
    assert (every["count"], len(every["tasks"])) == (more_than_a_page, more_than_a_page)
    page = json.loads(logged_in("tasks", "list", "--json", "--limit", "2").stdout)
    assert (page["count"], len(page["tasks"])) == (more_than_a_page, 2)
    sources = json.loads(logged_in("sources", "list", "--json").stdout)
    assert (sources["count"], len(sources["source_servers"])) == (
        more_than_a_page,
        more_than_a_page,
    )


def test_watching_ends_with_the_task(logged_in: Rehost, service: Service, task_id: str):
    token = logged_in("token").stdout.strip()
    [source] = service.call("GET", "/v3/sources?name=db", X_Auth_Token=token)[2]["source_servers"]
    command = f"/v3/sources/{source['id']}/command"
    logged_in("tasks", "start", task_id)
    service.call("GET", command, X_Auth_Token=token)
    seen = logged_in("tasks", "watch", "db", "--until", "RUNNING")
    assert (seen.returncode, seen.stdout.split(",")[0]) == (0, "RUNNING")
    failed = {"command_name": "START", "result": "fail", "result_detail": {"error_msg": "no disk"}}
    service.call("POST", f"{command}_result", failed, X_Auth_Token=token)
    ended = logged_in("tasks", "watch", "db")
    assert (ended.returncode, ended.stdout.split(",")[0]) == (1, "MIGRATE_FAIL")
    assert logged_in("tasks", "delete", "db", "--yes").returncode == 0
    assert logged_in("tasks", "show", "db").returncode == 3


def test_templates_are_made_used_by_name_and_deleted(logged_in: Rehost, source_id: str):
    assert "no template" in logged_in("templates", "list").stderr
    words = ("--flavor", "4cpu-8gib", "--network", "isolated", "--network", "bridge:br0")
    disks = ("--disk", "/dev/sda=100", "--target-name", "web-new")
    made = logged_in("templates", "create", "large", *words, *disks).stdout.strip()
    line = logged_in("templates", "list").stdout.splitlines()[1].split()
    assert line[:5] == ["large", made, "4cpu-8gib", "isolated,", "bridge:br0"]
    shown = json.loads(logged_in("templates", "show", "large").stdout)["template"]
    assert (shown["disk"][0]["name"], shown["disk"][0]["size"]) == ("/dev/sda", 100)
    task = logged_in("tasks", "create", "web", "--template", "large").stdout.strip()
    shown = json.loads(logged_in("tasks", "show", task, "--json").stdout)
    assert (shown["vm_template_id"], shown["target_server"]["name"]) == (made, "web")
    assert logged_in("templates", "delete", "large", "--yes").returncode == 0
    assert logged_in("templates", "show", "large").returncode == 3
    assert logged_in("tasks", "create", "web", "--template", "large").returncode == 3
    wrong = logged_in("templates", "create", "other", "--disk", "100")
    assert (wrong.returncode, "/dev/vda=100" in wrong.stderr) == (1, True)


def test_templates_of_one_name_are_told_apart_by_id(logged_in: Rehost):
    made = [logged_in("templates", "create", "twin").stdout.strip() for _ in range(2)]
    done = logged_in("templates", "show", "twin")
    assert done.returncode == 2
    assert all(each in done.stderr for each in made)
    assert logged_in("templates", "delete", *made, "--yes").returncode == 0


def test_migration_projects_say_what_tasks_are_like(logged_in: Rehost, source_id: str):
    words = ("--syncing", "--leave-target-off", "--speed-limit", "200", "--network-check")
    made = logged_in("migprojects", "create", "nightly", *words).stdout.strip()
    lines = logged_in("migprojects", "list").stdout.splitlines()
    assert any(made in line and "keeps in step" in line and "200 Mbit/s" in line for line in lines)
    assert logged_in("sources", "move", "web", "nightly").returncode == 0
    task = logged_in("tasks", "create", "web").stdout.strip()
    shown = json.loads(logged_in("tasks", "show", task, "--json").stdout)
    wanted = ("start_target_server", "speed_limit")
    assert [shown[name] for name in wanted] == [False, 200]
    refused = logged_in("migprojects", "delete", "nightly", "--yes")
    assert (refused.returncode, "Traceback" in refused.stderr) == (1, False)
    assert logged_in("migprojects", "default", "nightly").returncode == 0
    listed = json.loads(logged_in("migprojects", "list", "--json").stdout)
    first = listed["migprojects"][0]
    assert (first["name"], first["isdefault"]) == ("nightly", True)
    assert logged_in("sources", "move", "web", "nowhere").returncode == 3
