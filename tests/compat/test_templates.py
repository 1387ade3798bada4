"""Server templates over HTTP: what is taken, what is refused and why, who sees a password."""

import json
import uuid
from typing import Any

import pytest

from rehost.control.store import sources
from tests.compat.bodies import identified, linux, new_task
from tests.compat.conftest import Service

PATH = "/v3/vm/templates"
PASSWORD = "pass-" + uuid.uuid4().hex
PUBLIC_IP = {"type": "5_bgp", "bandwidth_size": 5}
DISK = {"index": 0, "name": "system", "disktype": "SSD", "size": 40}


@pytest.fixture
def project() -> str:
    return f"tp-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def token(service: Service, project: str) -> str:
    return service.token(project=project)


def create(service: Service, token: str, **template: Any) -> str:
    body = {"template": {"name": "web"} | template}
    status, _, answer = service.call("POST", PATH, body, X_Auth_Token=token)
    assert status == 200, answer
    return str(answer["id"])


def shown(service: Service, token: str, template: str) -> dict[str, Any]:
    status, _, answer = service.call("GET", f"{PATH}/{template}", X_Auth_Token=token)
    assert status == 200, answer
    found: dict[str, Any] = answer["template"]
    return found


def refused(
    service: Service, token: str, method: str, path: str, body: object = None
) -> tuple[int, str, str]:
    status, _, answer = service.call(method, path, body, X_Auth_Token=token)
    return status, answer["error_code"], answer["error_msg"]


def password(service: Service, token: str, template: str) -> str:
    path = f"{PATH}/{template}/target-password"
    status, _, answer = service.call("GET", path, X_Auth_Token=token)
    assert status == 200, answer
    assert answer["template_id"] == template
    return str(answer["target_password"])


def test_a_name_is_enough(service: Service, token: str):
    made = shown(service, token, create(service, token, vpc={}, publicip=PUBLIC_IP))
    assert (made["is_template"], made["region"], made["disk"]) == ("true", "local", [])
    assert made["vpc"]["cidr"] == "192.168.0.0/16"
    assert made["publicip"]["bandwidth_share_type"] == "PER"
    assert made["projectid"]


def test_filters_and_pages(service: Service, token: str):
    first = create(service, token, name="web_1", region="north", availability_zone="a")
    second = create(service, token, name="db-1", region="north", availability_zone="b")
    third = create(service, token, name="db-2", region="south", availability_zone="b")
    for query, expected in {
        "": [third, second, first],
        "?limit=0": [third, second, first],
        "?limit=1&offset=1": [second],
        "?name=B-": [third, second],
        "?name=%25": [],
        "?region=north": [second, first],
        "?availability_zone=b&region=south": [third],
        f"?id={first}": [first],
        "?id=nobody": [],
    }.items():
        _, _, answer = service.call("GET", PATH + query, X_Auth_Token=token)
        assert [t["id"] for t in answer["templates"]] == expected, query
        assert answer["count"] == (3 if "limit" in query else len(expected)), query
    assert refused(service, token, "GET", f"{PATH}?limit=101")[0] == 400


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": None}, "template.name"),
        ({"name": ""}, "template.name"),
        ({"name": "a b"}, "template.name"),
        ({"name": "x" * 256}, "template.name"),
        ({"is_template": "true"}, "template.is_template"),
        ({"flavor": "x" * 256}, "template.flavor"),
        ({"target_password": "x" * 1025}, "template.target_password"),
        ({"nics": [{"id": "n", "cidr": "n"}]}, "template.nics[0]"),
        ({"security_groups": {}}, "template.security_groups"),
        ({"disk": [DISK | {"size": "40"}]}, "template.disk[0].size"),
        ({"disk": [DISK | {"index": -1}]}, "template.disk[0].index"),
        ({"publicip": PUBLIC_IP | {"bandwidth_size": 0}}, "template.publicip.bandwidth_size"),
        ({"publicip": PUBLIC_IP | {"bandwidth_size": 2001}}, "template.publicip.bandwidth_size"),
        ({"publicip": PUBLIC_IP | {"bandwidth_size": 325}}, "template.publicip.bandwidth_size"),
        ({"publicip": PUBLIC_IP | {"bandwidth_size": 1250}}, "template.publicip.bandwidth_size"),
    ],
)
def test_wrong_values_are_named(service: Service, token: str, change: dict[str, Any], field: str):
    template = create(service, token)
    body = {"template": {"name": "web"} | change}
    for method, path in (("POST", PATH), ("PUT", f"{PATH}/{template}")):
        status, code, said = refused(service, token, method, path, body)
        assert (status, code) == (400, "REHOST.4000")
        assert f"body field {field}" in said
        assert "x" * 256 not in said
    assert refused(service, token, "POST", PATH, {})[0] == 400


@pytest.mark.parametrize("size", [300, 350, 1000, 1500, 2000])
def test_bandwidths_in_steps_are_taken(service: Service, token: str, size: int):
    publicip = PUBLIC_IP | {"bandwidth_size": size}
    made = create(service, token, publicip=publicip)
    assert shown(service, token, made)["publicip"]["bandwidth_size"] == size


def test_what_an_update_leaves_out_stays(service: Service, token: str):
    made = create(service, token, flavor="small", disk=[DISK], target_password=PASSWORD)
    body = {"template": {"name": "renamed", "is_template": False}}
    assert service.call("PUT", f"{PATH}/{made}", body, X_Auth_Token=token)[0] == 200
    after = shown(service, token, made)
    assert (after["name"], after["flavor"], after["is_template"]) == ("renamed", "small", "false")
    assert [disk["size"] for disk in after["disk"]] == [40]
    assert password(service, token, made) == PASSWORD
    service.call("PUT", f"{PATH}/{made}", {}, X_Auth_Token=token)
    assert shown(service, token, made) == after
    removed = {"template": {"name": "renamed", "target_password": ""}}
    service.call("PUT", f"{PATH}/{made}", removed, X_Auth_Token=token)
    assert password(service, token, made) == ""


def test_many_are_deleted_together_or_not_at_all(service: Service, token: str):
    ids = [create(service, token) for _ in range(2)]
    both = {"ids": [*ids, "nobody"]}
    assert refused(service, token, "POST", f"{PATH}/delete", both)[:2] == (404, "REHOST.4043")
    shown(service, token, ids[0])
    assert service.call("POST", f"{PATH}/delete", {"ids": ids}, X_Auth_Token=token)[0] == 200
    assert refused(service, token, "GET", f"{PATH}/{ids[1]}")[:2] == (404, "REHOST.4043")


def test_the_password_is_in_no_answer_file_or_log(service: Service, token: str):
    made = create(service, token, target_password=PASSWORD)
    _, _, listed = service.call("GET", PATH, X_Auth_Token=token)
    assert PASSWORD not in json.dumps([shown(service, token, made), listed])
    assert password(service, token, made) == PASSWORD
    for file in [*service.data.glob("rehost.db*"), service.log]:
        assert PASSWORD.encode() not in file.read_bytes()


def test_who_may(service: Service, token: str, project: str):
    made = create(service, token, target_password=PASSWORD)
    stranger = service.token(project=f"tp-{uuid.uuid4().hex[:8]}")
    reader = service.token("reader", project)
    template = {"template": {"name": "web"}}
    calls: list[tuple[str, str, object]] = [
        ("PUT", f"{PATH}/{made}", template),
        ("DELETE", f"{PATH}/{made}", None),
        ("POST", f"{PATH}/delete", {"ids": [made]}),
        ("GET", f"{PATH}/{made}/target-password", None),
    ]
    for method, path, body in [("GET", f"{PATH}/{made}", None), *calls]:
        assert refused(service, stranger, method, path, body)[:2] == (404, "REHOST.4043")
    for method, path, body in [("POST", PATH, template), *calls]:
        assert refused(service, reader, method, path, body)[:2] == (403, "SMS.9004")
    assert shown(service, reader, made)["name"] == "web"
    assert service.call("GET", PATH, X_Auth_Token=stranger)[2]["count"] == 0


def test_an_agent_sees_the_template_of_its_own_task_only(service: Service, token: str):
    made = create(service, token, target_password=PASSWORD)
    other = create(service, token, target_password="other")
    body = linux(facts=identified(uuid.uuid4().hex))
    _, _, source = service.call("POST", "/v3/sources", body, X_Auth_Token=token)
    agent = source["agent_token"]
    for path in (f"{PATH}/{made}", f"{PATH}/{made}/target-password", f"{PATH}/nobody"):
        assert refused(service, agent, "GET", path)[:2] == (403, "REHOST.4031")
    for method, path in (("GET", PATH), ("DELETE", f"{PATH}/{made}")):
        assert refused(service, agent, method, path)[:2] == (403, "SMS.9004")
    task = json.dumps({"id": "t1", "state": "READY", "vm_template_id": made})
    with service.house() as opened, opened.database.write() as db:
        sources.update(db, source["id"], {"task": task})
    assert shown(service, agent, made)["name"] == "web"
    assert password(service, agent, made) == PASSWORD
    path = f"{PATH}/{other}/target-password"
    assert refused(service, agent, "GET", path)[:2] == (403, "REHOST.4031")


def test_an_agent_cannot_give_its_task_another_template(service: Service, token: str):
    made = create(service, token, target_password=PASSWORD)
    other = create(service, token, target_password="other")
    body = linux(facts=identified(uuid.uuid4().hex))
    source = service.call("POST", "/v3/sources", body, X_Auth_Token=token)[2]
    agent = source["agent_token"]
    body = new_task(source["id"], vm_template_id=made)
    _, _, task = service.call("POST", "/v3/tasks", body, X_Auth_Token=token)
    path = f"/v3/tasks/{task['id']}"
    for template_id in (other, ""):
        change = {"vm_template_id": template_id}
        assert refused(service, agent, "PUT", path, change)[:2] == (403, "REHOST.4031")
    kept = {"vm_template_id": made, "name": "same"}
    assert service.call("PUT", path, kept, X_Auth_Token=agent)[0] == 200
    assert password(service, agent, made) == PASSWORD
