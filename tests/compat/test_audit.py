"""The audit trail over HTTP and in the command line: what is in it, what is not, who sees it."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.compat.bodies import identified, linux
from tests.compat.conftest import Service

PATH = "/v3/rehost/audit"
PASSWORD = "a long enough password"


@pytest.fixture
def project() -> str:
    return f"au-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def admin(service: Service, project: str) -> str:
    return service.token("admin", project)


def trail(service: Service, token: str, query: str = "") -> list[dict[str, Any]]:
    status, _, answer = service.call("GET", PATH + query, X_Auth_Token=token)
    assert status == 200, answer
    entries: list[dict[str, Any]] = answer["entries"]
    return entries


def of_project(service: Service, token: str, query: str = "") -> list[dict[str, Any]]:
    return [e for e in trail(service, token, query) if e["project_id"] is not None]


def register(service: Service, token: str) -> dict[str, Any]:
    body = linux(facts=identified(uuid.uuid4().hex))
    status, _, answer = service.call("POST", "/v3/sources", body, X_Auth_Token=token)
    assert status == 200, answer
    found: dict[str, Any] = answer
    return found


def test_what_changes_something_is_in_it(service: Service, admin: str):
    source = register(service, admin)
    path = f"/v3/sources/{source['id']}"
    service.call("PUT", path, {"name": "shop"}, X_Auth_Token=admin)
    _, headers, _ = service.call("POST", "/v3/sources/delete", {"ids": [source["id"]]},
                                 X_Auth_Token=admin)  # fmt: skip
    entries = of_project(service, admin)
    events = ["removeSources", "updateSource", "RegisterSourceServer"]
    assert [e["event"] for e in entries] == events
    assert {e["resource_id"] for e in entries} == {source["id"]}
    last = entries[0]
    assert last["request_id"] == headers["x-request-id"]
    assert last["caller"].startswith("user-")
    assert (last["caller_kind"], last["client_ip"]) == ("user", "127.0.0.1")
    assert (last["resource"], last["status"], last["error_code"]) == ("source servers", 200, "")


def test_what_is_refused_is_in_it_too(service: Service, admin: str, project: str):
    reader = service.token("reader", project)
    service.call("DELETE", "/v3/sources/s1", X_Auth_Token=reader)
    service.call("DELETE", "/v3/sources/s2", X_Auth_Token=admin)
    service.call("PUT", "/v3/sources/s3", {"name": 5}, X_Auth_Token=admin)
    service.call("DELETE", "/v3/sources/s%004", X_Auth_Token=admin)
    nul, *rest = of_project(service, admin)
    assert (nul["resource_id"], nul["status"]) == ("s�4", 400)
    found = [(e["resource_id"], e["status"], e["error_code"]) for e in rest]
    assert found == [("s3", 400, "REHOST.4000"), ("s2", 404, "SMS.0202"), ("s1", 403, "SMS.9004")]


def test_each_of_a_batch_is_in_it(service: Service, admin: str):
    ids = [register(service, admin)["id"] for _ in range(8)]
    service.call("POST", "/v3/sources/delete", {"ids": [*ids, "s9"]}, X_Auth_Token=admin)
    _, headers, _ = service.call("POST", "/v3/sources/delete", {"ids": ids}, X_Auth_Token=admin)
    for source_id in ids:
        gone, refused, _ = of_project(service, admin, f"?resource_id={source_id}")
        assert (gone["event"], gone["status"]) == ("removeSources", 200)
        assert gone["request_id"] == headers["x-request-id"]
        assert (refused["event"], refused["status"]) == ("removeSources", 404)


def test_an_agent_is_named_by_its_source(service: Service, admin: str):
    source = register(service, admin)
    agent = source["agent_token"]
    path = f"/v3/sources/{source['id']}"
    service.call("PUT", f"{path}/diskinfo", {}, X_Auth_Token=agent)
    [entry] = trail(service, admin, f"?caller={source['id']}")
    assert (entry["event"], entry["caller_kind"]) == ("updateSourceDiskInfo", "agent")


def test_reads_and_polls_are_not_in_it_but_secrets_handed_out_are(service: Service, admin: str):
    source = register(service, admin)
    _, _, template = service.call(
        "POST", "/v3/vm/templates", {"template": {"name": "t", "target_password": "s3cr3t-1"}},
        X_Auth_Token=admin,
    )  # fmt: skip
    before = len(of_project(service, admin))
    one = f"/v3/sources/{source['id']}"
    for path in ("/v3/sources", one, f"{one}/command", "/v3/vm/templates", PATH):
        assert service.call("GET", path, X_Auth_Token=admin)[0] == 200
    assert len(of_project(service, admin)) == before
    path = f"/v3/vm/templates/{template['id']}/target-password"
    service.call("GET", path, X_Auth_Token=admin)
    assert of_project(service, admin)[0]["event"] == "getTargetPassword"
    assert "s3cr3t-1" not in str(trail(service, admin, "?limit=200"))


def log_in(service: Service, name: str, password: str, domain: str = "default") -> int:
    user = {"name": name, "domain": {"name": domain}, "password": password}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
    return service.call("POST", "/v3/auth/tokens", body)[0]


def test_log_ins_are_in_it(service: Service, admin: str, project: str):
    name = f"log-{uuid.uuid4().hex[:8]}"
    service.rehost("user", "create", name, "--project", project, "--password-stdin",
                   stdin=PASSWORD + "\n")  # fmt: skip
    assert log_in(service, name, PASSWORD) == 201
    assert log_in(service, name, "typed-wrong") == 401
    assert log_in(service, "typed-as-name", PASSWORD) == 401
    assert log_in(service, name, PASSWORD, "nowhere") == 401
    unknown, wrong, good = trail(service, admin, "?event=login&limit=3")
    assert (good["caller"], good["status"], good["error_code"]) == (name, 201, "")
    assert (wrong["caller"], wrong["status"], wrong["error_code"]) == (name, 401, "APIGW.0301")
    assert (unknown["caller"], unknown["caller_id"], unknown["status"]) == ("", "", 401)
    everything = str(trail(service, admin, "?limit=200"))
    for secret in (PASSWORD, "typed-wrong", "typed-as-name"):
        assert secret not in everything


def test_only_an_administrator_sees_it_and_only_of_its_projects(
    service: Service, admin: str, project: str
):
    register(service, admin)
    for role in ("operator", "reader"):
        token = service.token(role, project)
        status, _, answer = service.call("GET", PATH, X_Auth_Token=token)
        assert (status, answer["error_code"]) == (403, "SMS.9004")
    agent = register(service, admin)["agent_token"]
    assert service.call("GET", PATH, X_Auth_Token=agent)[0] == 403
    assert service.call("GET", PATH)[0] == 401
    stranger = service.token("admin", f"au-{uuid.uuid4().hex[:8]}")
    assert of_project(service, stranger) == []
    assert len(of_project(service, admin)) == 2


def test_filters_and_pages(service: Service, admin: str):
    first, second = register(service, admin), register(service, admin)
    service.call("DELETE", f"/v3/sources/{first['id']}", X_Auth_Token=admin)
    service.call("DELETE", f"/v3/sources/{first['id']}", X_Auth_Token=admin)
    gone_again, gone, second_came, first_came = of_project(service, admin)
    for query, expected in {
        "?outcome=failure&event=removeSource": [gone_again],
        "?outcome=success&event=removeSource": [gone],
        f"?resource_id={second['id']}": [second_came],
        f"?resource_id={first['id']}&limit=1&offset=2": [first_came],
        f"?caller={gone['caller']}&limit=2": [gone_again, gone],
        f"?caller={gone['caller_id']}&limit=1": [gone_again],
        f"?until={first_came['at']}&caller={gone['caller']}": [],
        f"?since={gone_again['at']}&until={gone_again['at'] + 1}&event=removeSource"
        f"&outcome=failure": [gone_again],
    }.items():
        assert of_project(service, admin, query) == expected, query
    for wrong in ("limit=201", "outcome=maybe", "since=-1", "offset=x"):
        status, _, answer = service.call("GET", f"{PATH}?{wrong}", X_Auth_Token=admin)
        assert status == 400
        assert f"query parameter {wrong.split('=')[0]}" in answer["error_msg"]


def test_in_the_command_line(service: Service, admin: str, project: str):
    source = register(service, admin)
    service.call("DELETE", "/v3/sources/nobody", X_Auth_Token=admin)

    def rehost(*words: str) -> str:
        return service.rehost("audit", *words, REHOST_SERVICE=service.url, REHOST_TOKEN=admin)

    table = rehost("--resource", source["id"])
    assert "RegisterSourceServer" in table
    assert "127.0.0.1" in table
    assert "nobody" not in table
    assert "404 SMS.0202" in rehost("--failed", "--event", "removeSource", "--hours", "1")
    assert '"event":"RegisterSourceServer"' in rehost("--json").replace(" ", "")


def test_old_entries_go(make_service: Callable[..., Service]):
    service = make_service("--audit-days", "1")
    admin = service.token("admin")
    register(service, admin)
    with service.house() as house, house.database.write() as db:
        db.exec_driver_sql("UPDATE audit SET at = at - 2 * 24 * 3600 * 1000")
    newest = register(service, admin)
    assert [e["resource_id"] for e in trail(service, admin)] == [newest["id"]]


def test_who_calls_through_a_trusted_proxy_is_in_it_and_nobody_else_may_say_so(
    service: Service, make_service: Callable[..., Service]
):
    proxied = make_service("--trusted-proxies", "127.0.0.1")
    for each, seen in ((service, "127.0.0.1"), (proxied, "203.0.113.9")):
        admin = each.token("admin")
        forwarded = "198.51.100.7, 203.0.113.9"
        path = "/v3/sources/s1"
        each.call("DELETE", path, X_Auth_Token=admin, X_Forwarded_For=forwarded)
        assert trail(each, admin, "?event=removeSource&limit=1")[0]["client_ip"] == seen
