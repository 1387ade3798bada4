import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from keystoneauth1 import exceptions, session
from keystoneauth1.identity import generic, v3

from tests.compat.conftest import Service

PASSWORD = "correct horse"
LOGIN: dict[str, Any] = {"username": "kate", "password": PASSWORD, "user_domain_name": "default"}
PROJECT: dict[str, Any] = {"project_name": "default", "project_domain_name": "default"}


@pytest.fixture(scope="module")
def kate(service: Service) -> Service:
    words = ("user", "create", "kate", "--role", "admin", "--password-stdin")
    service.rehost(*words, stdin=PASSWORD + "\n")
    return service


def body(user=None, scope=None, methods=("password",)) -> dict[str, Any]:
    user = {"name": "kate", "domain": {"name": "default"}, "password": PASSWORD} | (user or {})
    auth = {"identity": {"methods": methods, "password": {"user": user}}}
    return {"auth": auth | ({"scope": scope} if scope else {})}


def log_in(service: Service, **parts) -> tuple[str, dict[str, Any]]:
    status, headers, answer = service.call("POST", "/v3/auth/tokens", body(**parts))
    assert status == 201, answer
    return headers["x-subject-token"], answer["token"]


@pytest.mark.parametrize(
    ("plugin", "path"), [(v3.Password, "/v3"), (generic.Password, "/v3"), (generic.Password, "")]
)
def test_keystoneauth_logs_in(kate, plugin, path):
    auth = plugin(auth_url=kate.url + path, **LOGIN, **PROJECT)
    keystone = session.Session(auth=auth)
    assert keystone.get_project_id() is not None
    assert keystone.get(f"{kate.url}/v3/sources").json()["count"] >= 0


@pytest.mark.parametrize("plugin", [v3.Password, generic.Password])
def test_keystoneauth_reads_the_token(kate, plugin):
    auth = plugin(auth_url=f"{kate.url}/v3", **LOGIN, **PROJECT)
    access = auth.get_access(session.Session())
    assert access.username == "kate"
    assert access.user_domain_name == "default"
    assert access.project_name == "default"
    assert access.project_domain_name == "default"
    assert access.role_names == ["admin"]
    assert access.issued <= datetime.now(UTC) + timedelta(seconds=1)
    assert timedelta(hours=23) < access.expires - datetime.now(UTC) <= timedelta(hours=24)
    assert not access.will_expire_soon()


@pytest.mark.parametrize("scope", [{"domain_name": "default"}, {"unscoped": True}, PROJECT, {}])
def test_each_scope(kate, scope):
    auth = v3.Password(auth_url=f"{kate.url}/v3", **LOGIN, **scope)
    access = auth.get_access(session.Session())
    if "domain_name" in scope:
        assert access.domain_name == "default"
        assert access.project_id is None
    else:
        assert access.project_name == "default"
        assert access.domain_id is None


def test_the_catalog_leads_to_the_service(kate):
    keystone = session.Session(auth=v3.Password(auth_url=f"{kate.url}/v3", **LOGIN, **PROJECT))
    wanted = {"service_type": "sms", "interface": "public", "region_name": "local"}
    assert keystone.get("/sources", endpoint_filter=wanted).json()["count"] >= 0
    wanted = {"service_type": "identity"}
    [project] = keystone.get("/auth/projects", endpoint_filter=wanted).json()["projects"]
    assert project["id"] == keystone.get_project_id()
    assert keystone.get_api_major_version(service_type="sms") == (3, 0)


def test_keystoneauth_sees_a_wrong_password(kate):
    auth = v3.Password(auth_url=f"{kate.url}/v3", **(LOGIN | {"password": "wrong"}), **PROJECT)
    with pytest.raises(exceptions.Unauthorized):
        session.Session(auth=auth).get_token()


def test_a_token_is_shown_checked_and_revoked(kate):
    mine, shown = log_in(kate)
    asking, _ = log_in(kate)
    asked = {"X_Auth_Token": asking, "X_Subject_Token": mine}
    status, headers, answer = kate.call("GET", "/v3/auth/tokens", **asked)
    assert (status, answer["token"], headers["x-subject-token"]) == (200, shown, mine)
    assert kate.call("HEAD", "/v3/auth/tokens", **asked)[0] == 200
    assert kate.call("GET", "/v3/sources", X_Auth_Token=mine)[0] == 200
    status, _, nothing = kate.call("DELETE", "/v3/auth/tokens", **asked)
    assert (status, nothing) == (204, None)
    assert kate.call("GET", "/v3/sources", X_Auth_Token=mine)[0] == 401
    for method in ("GET", "HEAD", "DELETE"):
        assert kate.call(method, "/v3/auth/tokens", **asked)[0] == 404


def test_keystoneauth_revokes_its_token(kate):
    auth = v3.Password(auth_url=f"{kate.url}/v3", **LOGIN, **PROJECT)
    keystone = session.Session(auth=auth)
    token = keystone.get_token()
    keystone.delete(f"{kate.url}/v3/auth/tokens", headers={"X-Subject-Token": token})
    assert kate.call("GET", "/v3/sources", X_Auth_Token=token)[0] == 401


def test_ids_name_user_and_project_too(kate):
    _, token = log_in(kate)
    user = {"id": token["user"]["id"], "name": None, "domain": None}
    _, again = log_in(kate, user=user, scope={"project": {"id": token["project"]["id"]}})
    assert again["user"] == token["user"]
    assert again["project"] == token["project"]


@pytest.mark.parametrize(
    ("user", "scope"),
    [
        ({"password": "wrong password"}, None),
        ({"name": "nobody"}, None),
        ({"domain": {"name": "nowhere"}}, None),
        ({"domain": {}}, None),
        ({"id": "0" * 32}, None),
        (None, {"project": {"id": "nowhere"}}),
        (None, {"project": {"name": "nowhere", "domain": {"name": "default"}}}),
        (None, {"project": {"name": "default", "domain": {"name": "nowhere"}}}),
        (None, {"domain": {"id": "nowhere"}}),
        (None, {"domain": {}}),
    ],
)
def test_what_is_wrong_is_refused_as_unauthorized(kate, user, scope):
    status, headers, answer = kate.call("POST", "/v3/auth/tokens", body(user=user, scope=scope))
    assert (status, answer["error_code"]) == (401, "APIGW.0301")
    assert "x-subject-token" not in headers


def test_the_answer_does_not_tell_whether_a_user_exists(kate):
    answers = [
        kate.call("POST", "/v3/auth/tokens", body(user=user))
        for user in ({"password": "wrong password"}, {"name": "nobody"})
    ]
    assert answers[0][2]["error_msg"] == answers[1][2]["error_msg"]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({}, "auth"),
        ({"auth": {"identity": {"methods": ["token"]}}}, "methods"),
        (body(methods=["password", "totp"]), "methods"),
        (body(user={"domain": None}), "domain"),
        (body(user={"password": None}), "password"),
        (body(user={"password": "x" * 1025}), "password"),
        (body(user={"name": 5}), "name"),
        (body(scope={"project": {"name": "default"}}), "scope.project"),
        (body(scope={"project": {"id": "x"}, "domain": {"id": "x"}}), "scope"),
        (body(scope="everywhere"), "scope"),
    ],
)
def test_a_body_that_makes_no_sense_names_the_field(kate, wrong, named):
    status, _, answer = kate.call("POST", "/v3/auth/tokens", wrong)
    assert (status, answer["error_code"]) == (400, "REHOST.4000")
    assert named in answer["error_msg"]
    assert PASSWORD not in json.dumps(answer)


def test_a_disabled_user_is_out_at_once(kate):
    kate.rehost("user", "create", "dora", "--password-stdin", stdin=PASSWORD + "\n")
    token, _ = log_in(kate, user={"name": "dora"})
    kate.rehost("user", "disable", "dora")
    assert kate.call("GET", "/v3/sources", X_Auth_Token=token)[0] == 401
    asking, _ = log_in(kate)
    asked = {"X_Auth_Token": asking, "X_Subject_Token": token}
    assert kate.call("GET", "/v3/auth/tokens", **asked)[0] == 404
    refusals = [
        kate.call("POST", "/v3/auth/tokens", body(user={"name": "dora", "password": password}))
        for password in (PASSWORD, "wrong password")
    ]
    assert [status for status, *_ in refusals] == [401, 401]
    assert refusals[0][2]["error_msg"] == refusals[1][2]["error_msg"]
    kate.rehost("user", "enable", "dora")
    assert kate.call("GET", "/v3/sources", X_Auth_Token=token)[0] == 200


def test_guessing_is_slowed_down(make_service):
    service = make_service()
    for name in ("kate", "ann"):
        service.rehost("user", "create", name, "--password-stdin", stdin=PASSWORD + "\n")
    wrong = [
        service.call("POST", "/v3/auth/tokens", body(user={"password": f"guess {n}"}))
        for n in range(8)
    ]
    assert [status for status, _, _ in wrong[:5]] == [401] * 5
    status, headers, answer = wrong[-1]
    assert (status, answer["error_code"]) == (429, "APIGW.0308")
    assert 1 <= int(headers["retry-after"]) <= 60
    log_in(service, user={"name": "ann"})


def test_a_reader_may_look_only(kate):
    words = ("user", "create", "rita", "--role", "reader", "--password-stdin")
    kate.rehost(*words, stdin=PASSWORD + "\n")
    token, _ = log_in(kate, user={"name": "rita"})
    assert kate.call("GET", "/v3/sources", X_Auth_Token=token)[0] == 200
    status, _, answer = kate.call("DELETE", "/v3/sources/x", X_Auth_Token=token)
    assert (status, answer["error_code"]) == (403, "SMS.9004")
    assert "sms:server:delete" in answer["error_msg"]
