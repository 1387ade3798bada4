"""Where the agent of a task is told to send to."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.compat.bodies import new_task
from tests.compat.conftest import Service
from tests.compat.rig import Rig
from tests.compat.test_runner import small


@pytest.fixture(scope="module")
def own(make_service: Callable[..., Service]) -> Service:
    return make_service("--provider", "null")


@pytest.fixture
def rig(own: Service) -> Rig:
    return Rig(own, own.token(project=f"d-{uuid.uuid4().hex[:8]}"))


def configure(rig: Rig, task_id: str, address: str) -> None:
    rig.call("POST", f"/v3/tasks/{task_id}/configuration-setting", told(address))


def told(address: str) -> dict[str, Any]:
    return {"configurations": [{"config_key": "MIGRATE_DST_IP", "config_value": address}]}


def test_the_address_is_the_configured_one_else_the_task_s_else_the_service_s(rig: Rig):
    source_id = rig.source(**small())
    task_id = rig.task(source_id, migration_ip="192.0.2.7", auto_start=True)
    transfer = rig.until(lambda: rig.transfer(task_id))
    assert (transfer["host"], transfer["ipv6"]) == ("192.0.2.7", False)
    configure(rig, task_id, "192.0.2.8")
    assert rig.transfer(task_id)["host"] == "192.0.2.8"
    configure(rig, task_id, "")
    assert rig.transfer(task_id)["host"] == "192.0.2.7"
    rig.call("PUT", f"/v3/tasks/{task_id}", {"migration_ip": ""})
    assert rig.transfer(task_id)["host"] == "127.0.0.1"
    assert rig.show(task_id)["migration_ip"] == ""


WRONG = [
    ({"migration_ip": "rehost.example"}, "no IP address"),
    ({"migration_ip": "0.0.0.0"}, "no machine"),
    ({"migration_ip": "224.0.0.1"}, "no machine"),
    ({"migration_ip": "2001:db8::7"}, "use_ipv6 is false"),
    ({"migration_ip": "2001:db8::7", "use_ipv6": False}, "use_ipv6 is false"),
    ({"migration_ip": "192.0.2.7", "use_ipv6": True}, "use_ipv6 is true"),
]


@pytest.mark.parametrize(("fields", "why"), WRONG, ids=str)
def test_a_task_is_not_made_with_an_address_that_it_cannot_be_sent_to(rig: Rig, fields, why):
    refused = rig.refused("POST", "/v3/tasks", new_task(rig.source(), **fields))
    assert refused[:2] == (400, "REHOST.4000")
    assert "migration_ip" in refused[2]
    assert why in refused[2]


@pytest.mark.parametrize(("fields", "why"), WRONG, ids=str)
def test_a_task_is_not_changed_to_an_address_that_it_cannot_be_sent_to(rig: Rig, fields, why):
    task_id = rig.task(rig.source(), migration_ip="192.0.2.1")
    status, _, message = rig.refused("PUT", f"/v3/tasks/{task_id}", fields)
    assert (status, "migration_ip" in message, why in message) == (400, True, True), message
    assert rig.show(task_id)["migration_ip"] == "192.0.2.1"


def test_addresses_that_stay_are_of_the_kind_that_is_changed_to(rig: Rig):
    task_id = rig.task(rig.source(), migration_ip="192.0.2.1")
    path, by_ipv6 = f"/v3/tasks/{task_id}", {"use_ipv6": True}
    status, _, message = rig.refused("PUT", path, by_ipv6)
    assert (status, "migration_ip: 192.0.2.1" in message) == (400, True), message
    rig.call("PUT", path, {"migration_ip": ""})
    configure(rig, task_id, "192.0.2.2")
    status, _, message = rig.refused("PUT", path, by_ipv6)
    assert (status, "MIGRATE_DST_IP: 192.0.2.2" in message) == (400, True), message
    configure(rig, task_id, "")
    rig.call("PUT", path, by_ipv6 | {"migration_ip": "2001:db8::7"})
    rig.call("PUT", path, {"name": "other"})
    assert rig.show(task_id)["migration_ip"] == "2001:db8::7"


@pytest.mark.parametrize("address", ["rehost.example", "2001:db8::7", "::", "192.0.2.0/24"])
def test_what_is_configured_is_an_address_of_the_task_s_kind(rig: Rig, address: str):
    path = f"/v3/tasks/{rig.task(rig.source())}/configuration-setting"
    status, _, message = rig.refused("POST", path, told(address))
    assert (status, "configurations[0].config_value" in message) == (400, True), message
    assert rig.call("GET", path)["configurations"] == []


def test_by_ipv6_a_task_is_not_started_where_the_service_has_no_such_address(rig: Rig):
    source_id = rig.source()
    started = rig.refused("POST", "/v3/tasks", new_task(source_id, use_ipv6=True, auto_start=True))
    assert started[:2] == (409, "REHOST.4113")
    assert "set migration_ip" in started[2]
    assert rig.call("GET", "/v3/tasks")["count"] == 0
    task_id = rig.task(source_id, use_ipv6=True)
    refused = rig.refused("POST", f"/v3/tasks/{task_id}/action", {"operation": "start"})
    assert refused[:2] == (409, "REHOST.4113")
    assert rig.show(task_id)["state"] == "READY"
    assert rig.command(source_id) == "TASK_NOT_STARTED"
    rig.call("PUT", f"/v3/tasks/{task_id}", {"migration_ip": "2001:db8::7"})
    rig.act(task_id, "start")


def test_a_running_task_keeps_an_address_that_its_agent_can_send_to(rig: Rig):
    task_id = rig.task(rig.source(**small()), auto_start=True)
    rig.until(lambda: rig.transfer(task_id))
    path, by_ipv6 = f"/v3/tasks/{task_id}", {"use_ipv6": True}
    assert rig.refused("PUT", path, by_ipv6)[:2] == (409, "REHOST.4113")
    assert not rig.transfer(task_id)["ipv6"]
    rig.call("PUT", path, by_ipv6 | {"migration_ip": "2001:db8::7"})
    transfer = rig.transfer(task_id)
    assert (transfer["host"], transfer["ipv6"]) == ("2001:db8::7", True)
    assert rig.refused("PUT", path, {"migration_ip": ""})[:2] == (409, "REHOST.4113")
    row = {"config_key": "MIGRATE_DST_IP", "config_value": "2001:db8::8"}
    rig.call("POST", f"{path}/configuration-setting", {"configurations": [row]})
    rig.call("PUT", path, {"migration_ip": ""})
    none = {"configurations": [row | {"config_value": ""}]}
    assert rig.refused("POST", f"{path}/configuration-setting", none)[0] == 409


@pytest.mark.parametrize("public", [True, False])
def test_a_public_address_is_not_asked_for(rig: Rig, public: bool):
    source_id = rig.source(**small())
    task_id = rig.task(source_id, use_public_ip=public, auto_start=True)
    assert rig.until(lambda: rig.transfer(task_id))["host"] == "127.0.0.1"
    assert rig.shown(source_id)["current_task"]["use_public_ip"] is public
