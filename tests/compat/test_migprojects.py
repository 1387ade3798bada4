"""Migration projects over HTTP: what is taken, what is refused and why, and who may."""

import threading
import uuid
from typing import Any

import pytest

from tests.compat.bodies import identified, linux
from tests.compat.conftest import Service

MINIMAL = {"name": "wave-1", "region": "local", "type": "MIGRATE_BLOCK"}
DEFAULTS = {
    "description": "",
    "isdefault": False,
    "start_target_server": True,
    "speed_limit": 0,
    "use_public_ip": True,
    "exist_server": True,
    "enterprise_project": "",
    "syncing": False,
    "start_network_check": False,
}
PATH = "/v3/migprojects"


@pytest.fixture
def project() -> str:
    return f"mp-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def token(service: Service, project: str) -> str:
    return service.token(project=project)


def create(service: Service, token: str, **changes: Any) -> str:
    status, _, answer = service.call("POST", PATH, MINIMAL | changes, X_Auth_Token=token)
    assert status == 200, answer
    return str(answer["id"])


def listed(service: Service, token: str, query: str = "") -> list[dict[str, Any]]:
    status, _, answer = service.call("GET", PATH + query, X_Auth_Token=token)
    assert status == 200, answer
    found: list[dict[str, Any]] = answer["migprojects"]
    return found


def default(service: Service, token: str) -> str:
    [found] = [m["id"] for m in listed(service, token) if m["isdefault"]]
    return str(found)


def refused(
    service: Service, token: str, method: str, path: str, body: object = None
) -> tuple[int, str, str]:
    status, _, answer = service.call(method, path, body, X_Auth_Token=token)
    return status, answer["error_code"], answer["error_msg"]


def test_the_first_look_makes_the_default(service: Service, token: str):
    [first] = listed(service, token)
    assert first["isdefault"]
    assert first["name"] == "default"
    assert first["type"] == "MIGRATE_BLOCK"
    assert listed(service, token) == [first]


def test_what_is_left_out_has_the_documented_defaults(service: Service, token: str):
    made = create(service, token)
    _, _, shown = service.call("GET", f"{PATH}/{made}", X_Auth_Token=token)
    assert shown == MINIMAL | DEFAULTS


def test_pages(service: Service, token: str):
    for n in range(3):
        create(service, token, name=f"w{n}")
    assert [m["name"] for m in listed(service, token, "?limit=2&offset=1")] == ["w0", "w1"]
    assert len(listed(service, token, "?limit=0")) == 4
    assert refused(service, token, "GET", f"{PATH}?limit=101")[0] == 400


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": None}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a b"}, "name"),
        ({"name": "a\n"}, "name"),
        ({"region": 5}, "region"),
        ({"type": "MIGRATE_ALL"}, "type"),
        ({"speed_limit": -1}, "speed_limit"),
        ({"speed_limit": 10001}, "speed_limit"),
        ({"speed_limit": "5"}, "speed_limit"),
        ({"isdefault": "true"}, "isdefault"),
        ({"description": "x" * 256}, "description"),
    ],
)
def test_wrong_values_are_named(service: Service, token: str, change: dict[str, Any], field: str):
    status, code, said = refused(service, token, "POST", PATH, MINIMAL | change)
    assert (status, code) == (400, "REHOST.4000")
    assert f"body field {field}" in said


@pytest.mark.parametrize("missing", ["name", "region", "type"])
def test_missing_fields_are_named(service: Service, token: str, missing: str):
    body = {name: value for name, value in MINIMAL.items() if name != missing}
    status, _, said = refused(service, token, "POST", PATH, body)
    assert status == 400
    assert missing in said


def test_names_are_unique_in_a_project(service: Service, token: str):
    create(service, token)
    other = create(service, token, name="wave-2")
    assert refused(service, token, "POST", PATH, MINIMAL)[:2] == (409, "REHOST.4092")
    rename = {"name": "wave-1"}
    assert refused(service, token, "PUT", f"{PATH}/{other}", rename)[:2] == (409, "REHOST.4092")
    same = {"name": "wave-2", "speed_limit": 7}
    assert service.call("PUT", f"{PATH}/{other}", same, X_Auth_Token=token)[0] == 200
    create(service, service.token(project=f"mp-{uuid.uuid4().hex[:8]}"))


def test_there_is_always_one_default(service: Service, token: str):
    first = default(service, token)
    second = create(service, token, isdefault=True)
    assert default(service, token) == second
    service.call("PUT", f"{PATH}/{first}", {"isdefault": True}, X_Auth_Token=token)
    assert default(service, token) == first
    service.call("PUT", f"{PATH}/{second}/default", X_Auth_Token=token)
    assert default(service, token) == second
    status, _, said = refused(service, token, "PUT", f"{PATH}/{second}", {"isdefault": False})
    assert status == 400
    assert "isdefault" in said
    assert refused(service, token, "DELETE", f"{PATH}/{second}")[:2] == (409, "REHOST.4093")
    assert service.call("DELETE", f"{PATH}/{first}", X_Auth_Token=token)[0] == 200
    assert [m["id"] for m in listed(service, token)] == [second]


def test_many_at_once_still_make_one_default(service: Service, token: str):
    answers: list[int] = []

    def one(n: int) -> None:
        body = MINIMAL | {"name": f"w{n}", "isdefault": True}
        answers.append(service.call("POST", PATH, body, X_Auth_Token=token)[0])

    threads = [threading.Thread(target=one, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 8
    assert sum(m["isdefault"] for m in listed(service, token)) == 1


def test_sources_belong_to_the_default_until_moved(service: Service, token: str):
    body = linux(facts=identified(uuid.uuid4().hex))
    _, _, source = service.call("POST", "/v3/sources", body, X_Auth_Token=token)
    path = f"/v3/sources/{source['id']}"

    def members(migproject: str) -> int:
        query = f"/v3/sources?migproject={migproject}"
        return int(service.call("GET", query, X_Auth_Token=token)[2]["count"])

    first, other = default(service, token), create(service, token)
    assert (members(first), members(other)) == (1, 0)
    service.call("PUT", f"{PATH}/{other}/default", X_Auth_Token=token)
    assert (members(first), members(other)) == (1, 0)  # who is in stays in
    assert refused(service, token, "DELETE", f"{PATH}/{first}")[:2] == (409, "REHOST.4094")
    assert service.call("PUT", path, {"migprojectid": other}, X_Auth_Token=token)[0] == 200
    assert (members(first), members(other)) == (0, 1)
    assert service.call("DELETE", f"{PATH}/{first}", X_Auth_Token=token)[0] == 200
    foreign = create(service, service.token(project=f"mp-{uuid.uuid4().hex[:8]}"))
    for wrong in ("nobody", first, foreign):
        status, _, said = refused(service, token, "PUT", path, {"migprojectid": wrong})
        assert status == 400
        assert "body field migprojectid" in said


def test_others_see_nothing_of_it(service: Service, token: str, project: str):
    made = create(service, token)
    stranger = service.token(project=f"mp-{uuid.uuid4().hex[:8]}")
    reader = service.token("reader", project)
    body = linux(facts=identified(uuid.uuid4().hex))
    _, _, source = service.call("POST", "/v3/sources", body, X_Auth_Token=token)
    agent = source["agent_token"]
    calls: list[tuple[str, str, object]] = [
        ("PUT", f"{PATH}/{made}", {"speed_limit": 1}),
        ("PUT", f"{PATH}/{made}/default", None),
        ("DELETE", f"{PATH}/{made}", None),
    ]
    for method, path, sent in [("GET", f"{PATH}/{made}", None), *calls]:
        assert refused(service, stranger, method, path, sent)[:2] == (404, "REHOST.4042")
        assert refused(service, agent, method, path, sent)[:2] == (403, "SMS.9004")
    for method, path, sent in [("POST", PATH, MINIMAL), *calls]:
        assert refused(service, reader, method, path, sent)[:2] == (403, "SMS.9004")
    assert service.call("GET", f"{PATH}/{made}", X_Auth_Token=reader)[0] == 200
    assert [m["name"] for m in listed(service, stranger)] == ["default"]
