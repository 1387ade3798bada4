"""The operator's commands against a stand-in for the service, over real HTTP."""

import io
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from rehost.cli import complete, session, tables
from rehost.cli.exits import Exit, guard
from rehost.program import program
from tests.unit import sources_for_pictures as samples

WEB = {**samples.LVM, "id": "aaaa1111-0000-4000-8000-000000000001", "name": "web"}
DB = {**samples.BTRFS, "id": "aaaa2222-0000-4000-8000-000000000002", "name": "db"}
SOURCES = {s["id"]: s for s in (WEB, DB)}
TOKEN = "gAAAA-a-token"
LINE = "rehost-agent enroll --service http://x --code c"
ERROR = {"name": "web", "source_id": "x", "error_json": '[{"error_code": "SMS.1"}]'}
FIXED = {
    "/v3/sources/overview": {"waiting": 2, "error": 1, "syncing": 0, "unconfigured": 1},
    "/v3/errors": {"count": 1, "migration_errors": [ERROR]},
    "/v3/rehost/enrolments": {"code": "c", "expires_at": "2999-01-01T00:00:00Z", "line": LINE},
    "/v3/sources/delete": {},
}


class StandIn(BaseHTTPRequestHandler):
    """Answers like the service; `calls` are what it was asked."""

    calls: list[tuple[str, str, object]]

    def do_GET(self):
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.calls.append((self.command, self.path, json.loads(body) if body else None))
        if url.path == "/v3/auth/tokens":
            return self.log_in(json.loads(body))
        if self.headers["X-Auth-Token"] != TOKEN:
            return self.answer(401, {"error_code": "APIGW.0301", "error_msg": "wrong token"})
        return self.answer(*self.route(url.path, query))

    do_PUT = do_POST = do_DELETE = do_GET

    def log_in(self, body):
        if body["auth"]["identity"]["password"]["user"]["password"] != "correct horse":
            return self.answer(401, {"error_code": "APIGW.0301", "error_msg": "wrong password"})
        token = {"token": {"expires_at": "2999-01-01T00:00:00.000000Z"}}
        return self.answer(201, token, {"X-Subject-Token": TOKEN})

    def route(self, path, query):
        if path == "/v3/sources":
            found = [s for s in SOURCES.values() if query.get("name", "") in s["name"]]
            return 200, {"count": len(found), "source_servers": found}
        if path in FIXED:
            return 200, FIXED[path]
        if (source := SOURCES.get(path.rpartition("/")[2])) is not None:
            return 200, source
        return 404, {"error_code": "SMS.0202", "error_msg": "source server not found"}

    def answer(self, status, body, headers=None):
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    for name in ("TOKEN", "SERVICE", "AK", "SK", "PROJECT_ID", "CA_FILE", "DEBUG", "ASCII"):
        monkeypatch.delenv(f"REHOST_{name}", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def service():
    class Handler(StandIn):
        calls = []  # noqa: RUF012 - one list for each test

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield Handler, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def logged_in(service, monkeypatch):
    handler, url = service
    monkeypatch.setenv("REHOST_SERVICE", url)
    monkeypatch.setenv("REHOST_TOKEN", TOKEN)
    return handler


@pytest.fixture
def rehost(capsys):
    """Run the program; returns exit code, standard output, standard error."""

    def run(*args: str):
        code = guard(lambda: program(list(args), prog_name="rehost"))
        out, err = capsys.readouterr()
        return code, out, err

    return run


def log_in(rehost, monkeypatch, url, password):
    monkeypatch.setattr("sys.stdin", io.StringIO(password + "\n"))
    return rehost("login", "--service", url, "--user", "ada", "--password-stdin")


def test_log_in_keeps_a_token_for_its_owner_only(service, rehost, monkeypatch):
    _, url = service
    code, out, err = log_in(rehost, monkeypatch, url, "correct horse")
    assert (code, out) == (Exit.OK, "")
    assert "as ada" in err
    assert session.path().stat().st_mode & 0o777 == 0o600
    assert rehost("token")[:2] == (Exit.OK, TOKEN + "\n")
    assert rehost("sources", "list")[0] == Exit.OK


def test_wrong_password_keeps_nothing(service, rehost, monkeypatch):
    _, url = service
    code, _, err = log_in(rehost, monkeypatch, url, "guess")
    assert code == Exit.NOT_PERMITTED
    assert err.startswith(f"rehost: {url} did not let you in")
    assert not session.path().exists()


def test_log_out_forgets_the_token(service, rehost, monkeypatch):
    _, url = service
    log_in(rehost, monkeypatch, url, "correct horse")
    assert rehost("logout")[0] == Exit.OK
    code, _, err = rehost("token")
    assert code == Exit.NOT_PERMITTED
    assert "rehost login" in err


def test_token_is_not_sent_to_another_service(service, rehost, monkeypatch):
    handler, url = service
    log_in(rehost, monkeypatch, url, "correct horse")
    handler.calls.clear()
    monkeypatch.setenv("REHOST_SERVICE", url.replace("127.0.0.1", "localhost"))
    code, _, err = rehost("sources", "list")
    assert code == Exit.NOT_PERMITTED
    assert "you are logged in to" in err
    assert handler.calls == []


def test_expired_log_in_says_so(rehost):
    session.save(
        session.Session(service="http://127.0.0.1:1", token="t", expires_at="2020-01-01T00:00:00Z")
    )
    code, _, err = rehost("sources", "list")
    assert code == Exit.NOT_PERMITTED
    assert "expired" in err


@pytest.mark.parametrize("content", ["[]", "{", '{"service": 5, "token": []}'])
def test_damaged_session_file_is_explained(rehost, content):
    session.path().parent.mkdir()
    session.path().write_text(content)
    code, _, err = rehost("sources", "list")
    assert code == Exit.FAILED
    assert "delete it and log in again" in err


def test_half_a_key_pair_is_explained(rehost, monkeypatch):
    monkeypatch.setenv("REHOST_AK", "key")
    assert "belong together" in rehost("sources", "list")[2]


def test_refused_token_says_log_in(logged_in, rehost, monkeypatch):
    monkeypatch.setenv("REHOST_TOKEN", "old")
    code, _, err = rehost("sources", "list")
    assert code == Exit.NOT_PERMITTED
    assert "rehost login" in err


def test_service_that_does_not_answer(rehost, monkeypatch):
    monkeypatch.setenv("REHOST_SERVICE", "http://127.0.0.1:9")
    monkeypatch.setenv("REHOST_TOKEN", TOKEN)
    code, out, err = rehost("sources", "list")
    assert (code, out) == (Exit.UNREACHABLE, "")
    assert len(err.splitlines()) == 1


def test_list_in_a_pipe_has_a_line_for_each_source_and_no_colours(logged_in, rehost):
    code, out, _ = rehost("sources", "list")
    assert code == Exit.OK
    assert [line.split()[0] for line in out.splitlines()] == ["Name", "web", "db"]
    assert WEB["id"] in out
    assert "\x1b" not in out


def test_colours_only_on_a_terminal(logged_in, rehost, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in rehost("sources", "show", "web")[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in rehost("sources", "show", "web")[1]


def test_filters_reach_the_service(logged_in, rehost):
    rehost("sources", "list", "--state", "waiting", "--connected", "--cycle", "checking", "--json")
    _, path, _ = logged_in.calls[-1]
    query = {n: v[0] for n, v in parse_qs(urlsplit(path).query).items()}
    assert query["state"] == "waiting"
    assert query["connected"] == "true"
    assert query["migration_cycle"] == "checking"


def test_unknown_state_is_wrong_usage(logged_in, rehost):
    assert rehost("sources", "list", "--state", "asleep")[0] == Exit.USAGE
    assert logged_in.calls == []


@pytest.mark.parametrize("wanted", ["web", WEB["id"], "aaaa1", "aaaa1111-00"])
def test_source_is_found_by_name_id_or_the_beginning_of_one(logged_in, rehost, wanted):
    code, out, _ = rehost("sources", "show", wanted, "--json")
    assert code == Exit.OK
    assert json.loads(out) == WEB


def test_beginning_of_two_ids_is_ambiguous(logged_in, rehost):
    code, _, err = rehost("sources", "show", "aaaa")
    assert code == Exit.USAGE
    assert WEB["id"] in err
    assert DB["id"] in err


@pytest.mark.parametrize("wanted", ["nobody", "", "{source_id}", "../x"])
def test_unknown_source_is_not_found(logged_in, rehost, wanted):
    assert rehost("sources", "show", wanted)[0] == Exit.NOT_FOUND


def test_show_draws_the_source(logged_in, rehost):
    out = rehost("sources", "show", "web")[1]
    assert "vg-main · 80 GiB · volume group" in out
    assert "RAW_DEVICES" in out


def test_terminal_shows_as_much_of_an_id_as_tells_it_from_others(logged_in, rehost, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    out = rehost("sources", "list")[1]
    assert "aaaa1111" in out
    assert WEB["id"] not in out
    assert tables.telling_length(["12345678a-1", "12345678a-2"]) == 11


def test_delete_asks_and_deletes_nothing_without_an_answer(logged_in, rehost, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert rehost("sources", "delete", "web")[0] == Exit.FAILED
    assert {method for method, *_ in logged_in.calls} == {"GET"}


def test_delete_of_several_is_one_call(logged_in, rehost):
    assert rehost("sources", "delete", "web", "db", "aaaa1", "--yes")[0] == Exit.OK
    assert logged_in.calls[-1] == (
        "POST",
        "/v3/sources/delete",
        {"ids": [WEB["id"], DB["id"]]},
    )


def test_rename(logged_in, rehost):
    assert rehost("sources", "rename", "web", "www")[0] == Exit.OK
    assert logged_in.calls[-1] == ("PUT", f"/v3/sources/{WEB['id']}", {"name": "www"})


def test_enroll_prints_only_the_line(logged_in, rehost):
    code, out, err = rehost("enroll", "--hours", "2")
    assert code == Exit.OK
    assert out == LINE + "\n"
    assert "2 hours" in err
    assert logged_in.calls[-1][2] == {"hours": 2}


def test_overview_and_errors(logged_in, rehost):
    assert "3 source servers" in rehost("overview")[1]
    assert json.loads(rehost("overview", "--json")[1])["waiting"] == 2
    assert "SMS.1" in rehost("errors")[1]


def test_completion_offers_names_and_ids(logged_in):
    assert [word for word, _ in complete.complete_source("w")] == ["web"]
    assert [word for word, _ in complete.complete_source("aaaa2")] == [DB["id"]]


def test_completion_fails_silently(monkeypatch, capfd):
    monkeypatch.setenv("REHOST_SERVICE", "http://127.0.0.1:9")
    monkeypatch.setenv("REHOST_TOKEN", TOKEN)
    assert complete.complete_source("w") == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("shell", "variables"),
    [
        ("bash", {"COMP_WORDS": "rehost sources show w", "COMP_CWORD": "3"}),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "rehost sources show w"}),
    ],
)
def test_shells_complete_sources_of_the_service(logged_in, shell, variables):
    done = subprocess.run(
        [Path(sys.executable).with_name("rehost")],
        env={**os.environ, **variables, "_REHOST_COMPLETE": f"complete_{shell}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "web" in done.stdout
    assert "db" not in done.stdout
