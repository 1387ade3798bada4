"""Sources over real HTTP: registered, shown, listed, changed, deleted."""

import time
import uuid
from typing import Any

import pytest

from tests.compat.bodies import identified, linux, windows
from tests.compat.conftest import Service


@pytest.fixture
def project(request: pytest.FixtureRequest) -> str:
    """A project of the test's own, so that counts are its own."""
    return f"p-{abs(hash(request.node.nodeid)):x}"[:20]


@pytest.fixture
def token(service: Service, project: str) -> str:
    return service.token(project=project)


def register(service: Service, token: str, body: dict[str, Any]) -> str:
    status, _, answer = service.call("POST", "/v3/sources", body, X_Auth_Token=token)
    assert status == 200, answer
    return str(answer["id"])


def show(service: Service, token: str, source_id: str, **headers: str) -> dict[str, Any]:
    status, _, answer = service.call(
        "GET", f"/v3/sources/{source_id}", X_Auth_Token=token, **headers
    )
    assert status == 200, answer
    return dict(answer)


def listed(service: Service, token: str, query: str = "") -> tuple[int, list[str]]:
    status, _, answer = service.call("GET", f"/v3/sources{query}", X_Auth_Token=token)
    assert status == 200, answer
    return answer["count"], [s["name"] for s in answer["source_servers"]]


def test_linux_server_is_shown_in_full(service: Service, token: str):
    body = linux()
    shown = show(service, token, register(service, token, body))
    for name in ("name", "hostname", "ip", "os_type", "os_version", "firmware", "cpu_quantity",
                 "memory", "has_tc", "disks", "volume_groups", "btrfs_list", "networks",
                 "agent_version", "start_type"):  # fmt: skip
        assert shown[name] == body[name], name
    assert shown["state"] == "waiting"
    assert shown["migration_cycle"] == "setting"
    assert shown["connected"] is True
    assert {c["result"] for c in shown["checks"]} == {"OK"}
    assert shown["init_target_server"]["disks"][0]["size"] == 20 << 30


def test_unfit_server_is_unavailable_and_says_what_to_do(service: Service, token: str):
    source_id = register(service, token, linux(paravirtualization=True))
    shown = show(service, token, source_id)
    assert (shown["state"], shown["migration_cycle"]) == ("unavailable", "checking")
    [failed] = [c for c in shown["checks"] if c["result"] == "ERROR"]
    assert failed["name"] == "PARAVIRTUALIZATION"
    assert failed["error_code"]
    assert failed["remedy"]

    chinese = show(service, token, source_id, X_Language="zh-cn")
    [same] = [c for c in chinese["checks"] if c["result"] == "ERROR"]
    assert same["error_or_warn"] != failed["error_or_warn"]
    assert any("\u4e00" <= letter <= "\u9fff" for letter in same["error_or_warn"])

    status, _, errors = service.call("GET", "/v3/errors?offset=0", X_Auth_Token=token)
    assert status == 200
    assert [e["source_id"] for e in errors["migration_errors"]] == [source_id]
    assert "PARAVIRTUALIZATION" in errors["migration_errors"][0]["error_json"]


def test_same_machine_again_is_updated_and_keeps_its_id_and_given_name(
    service: Service, token: str
):
    body = linux(facts=identified("disk-a"))
    first = register(service, token, body)
    service.call("PUT", f"/v3/sources/{first}", {"name": "shop"}, X_Auth_Token=token)

    again = register(service, token, body | {"memory": 8 << 30})

    assert again == first
    shown = show(service, token, first)
    assert (shown["name"], shown["memory"]) == ("shop", 8 << 30)
    assert listed(service, token)[0] == 1


def test_clone_of_a_machine_is_a_source_of_its_own(service: Service, token: str):
    machine_id = uuid.uuid4().hex
    first, second = (
        register(service, token, linux(facts=identified(serial, machine_id=machine_id)))
        for serial in ("disk-a", "disk-b")
    )
    assert first != second


def test_machine_of_another_project_is_a_conflict(service: Service, token: str):
    body = linux(facts=identified("disk-of-two"))
    register(service, token, body)
    other = service.token(project="other-project")
    status, _, answer = service.call("POST", "/v3/sources", body, X_Auth_Token=other)
    assert (status, answer["error_code"]) == (409, "SMS.2013")


def test_changed_facts_move_the_state_both_ways_with_its_time(service: Service, token: str):
    body = linux(facts=identified("disk-m"))
    source_id = register(service, token, body)
    before = show(service, token, source_id)
    register(service, token, body | {"boot_loader": ""})
    unfit = show(service, token, source_id)
    assert unfit["state"] == "unavailable"
    assert unfit["state_action_time"] > before["state_action_time"]
    register(service, token, body)
    assert show(service, token, source_id)["state"] == "waiting"


def test_disks_reported_anew_change_checks_and_target(service: Service, token: str):
    source_id = register(service, token, linux())
    disk = linux()["disks"][0] | {"size": 40 << 30}
    path = f"/v3/sources/{source_id}/diskinfo"
    status, _, _ = service.call("PUT", path, {"disks": [disk]}, X_Auth_Token=token)
    assert status == 200
    shown = show(service, token, source_id)
    assert shown["disks"][0]["size"] == 40 << 30
    assert shown["init_target_server"]["disks"][0]["size"] == 40 << 30
    assert shown["networks"] == linux()["networks"]


def test_disks_of_the_target_can_be_adjusted(service: Service, token: str):
    system, data = linux()["disks"][0], linux()["disks"][0] | {"name": "/dev/vdb"}
    data |= {"os_disk": False, "device_use": "NORMAL", "physical_volumes": []}
    body = linux(disks=[system, data], facts=identified("disk-adjust"))
    source_id = register(service, token, body)

    def adjust(*choices: dict[str, Any]) -> int:
        path = f"/v3/sources/{source_id}"
        return service.call("PUT", path, {"disks": list(choices)}, X_Auth_Token=token)[0]

    def sizes() -> dict[str, int]:
        target = show(service, token, source_id)["init_target_server"]
        return {disk["name"]: disk["size"] for disk in target["disks"]}

    assert adjust({"id": "/dev/vda", "adjust_size": 50 << 30}) == 200
    assert sizes() == {"/dev/vda": 50 << 30, "/dev/vdb": 20 << 30}
    assert adjust({"id": "/dev/vdb", "need_migration": False}) == 200
    assert sizes() == {"/dev/vda": 50 << 30}
    register(service, token, body)
    assert sizes() == {"/dev/vda": 50 << 30}
    for wrong in (
        {"id": "/dev/vda", "adjust_size": 1 << 30},
        {"id": "/dev/vda", "need_migration": False},
        {"id": "/dev/vdz"},
        {"id": "/dev/vda", "physical_volumes": [{"id": "/dev/vda1", "adjust_size": 1}]},
    ):
        assert adjust(wrong) == 400, wrong
    assert sizes() == {"/dev/vda": 50 << 30}


def test_data_alone_can_be_migrated_of_a_system_that_could_not_start(service: Service, token: str):
    system, data = linux()["disks"][0], linux()["disks"][0] | {"name": "/dev/vdb"}
    data |= {"os_disk": False, "device_use": "NORMAL", "physical_volumes": []}
    body = linux(disks=[system, data], boot_loader="", facts=identified("data-alone"))
    source_id = register(service, token, body)
    assert show(service, token, source_id)["state"] == "unavailable"
    for wanted, state in ((False, "waiting"), (True, "unavailable")):
        choice = {"disks": [{"id": "/dev/vda", "need_migration": wanted}]}
        path = f"/v3/sources/{source_id}"
        assert service.call("PUT", path, choice, X_Auth_Token=token)[0] == 200
        assert show(service, token, source_id)["state"] == state
        register(service, token, body)
        assert show(service, token, source_id)["state"] == state


def test_list_filters(service: Service, token: str):
    register(service, token, linux(name="alpha", ip="198.51.100.1"))
    register(service, token, linux(name="beta_100%", ip="198.51.100.2", ipv6="2001:db8::2"))
    bad = register(service, token, linux(name="gamma", paravirtualization=True))
    wanted = {"name": "wave-1", "region": "local", "type": "MIGRATE_BLOCK"}
    _, _, made = service.call("POST", "/v3/migprojects", wanted, X_Auth_Token=token)
    move = {"migprojectid": made["id"]}
    assert service.call("PUT", f"/v3/sources/{bad}", move, X_Auth_Token=token)[0] == 200
    everything = {"alpha", "beta_100%", "gamma"}
    for query, names in {
        "": everything,
        "?limit=0": everything,
        "?name=ETA_1": {"beta_100%"},
        "?name=%25": {"beta_100%"},
        "?state=unavailable": {"gamma"},
        "?state=finished": set(),
        "?ip=198.51.100.1": {"alpha"},
        "?ipv6=2001:db8::2": {"beta_100%"},
        f"?id={bad}": {"gamma"},
        f"?migproject={made['id']}": {"gamma"},
        "?migproject=nobody": set(),
        "?migration_cycle=setting": {"alpha", "beta_100%"},
        "?connected=true": everything,
        "?connected=false": set(),
        "?enterprise_project_id=0": everything,
        "?enterprise_project_id=all_granted_eps": everything,
        "?enterprise_project_id=1": set(),
        "?is_consistency_result_exist=false": everything,
        "?is_consistency_result_exist=true": set(),
        "?vm_id=v": set(),
    }.items():
        count, found = listed(service, token, query)
        assert (count, set(found)) == (len(names), names), query


def test_pages_are_newest_first_and_count_everything(service: Service, token: str):
    for number in range(5):
        register(service, token, linux(name=f"n{number}"))
    assert listed(service, token, "?limit=2") == (5, ["n4", "n3"])
    assert listed(service, token, "?limit=2&offset=4") == (5, ["n0"])
    assert listed(service, token, "?offset=65535") == (5, [])


@pytest.mark.parametrize(
    "query", ["limit=201", "limit=-1", "limit=x", "offset=65536", "state=odd", "connected=maybe"]
)
def test_list_refuses_bad_parameters_by_name(service: Service, token: str, query: str):
    status, _, answer = service.call("GET", f"/v3/sources?{query}", X_Auth_Token=token)
    assert status == 400
    assert query.split("=", maxsplit=1)[0] in answer["error_msg"]


def test_deleted_sources_are_gone_all_or_none(service: Service, token: str):
    ids = [register(service, token, linux(name=f"d{n}")) for n in range(3)]
    body = {"ids": [ids[0], "nobody"]}
    assert service.call("POST", "/v3/sources/delete", body, X_Auth_Token=token)[0] == 404
    assert listed(service, token)[0] == 3
    assert service.call("DELETE", f"/v3/sources/{ids[0]}", X_Auth_Token=token)[0] == 200
    body = {"ids": ids[1:]}
    assert service.call("POST", "/v3/sources/delete", body, X_Auth_Token=token)[0] == 200
    assert listed(service, token) == (0, [])
    status, _, answer = service.call("GET", f"/v3/sources/{ids[0]}", X_Auth_Token=token)
    assert (status, answer["error_code"]) == (404, "SMS.0202")


def test_projects_do_not_see_each_other(service: Service, token: str):
    source_id = register(service, token, linux())
    other = service.token(project="somebody-else")
    for method, path, body in (
        ("GET", f"/v3/sources/{source_id}", None),
        ("PUT", f"/v3/sources/{source_id}", {"name": "mine"}),
        ("PUT", f"/v3/sources/{source_id}/diskinfo", {"disks": []}),
        ("DELETE", f"/v3/sources/{source_id}", None),
        ("POST", "/v3/sources/delete", {"ids": [source_id]}),
        ("GET", f"/v3/sources/{source_id}/command", None),
    ):
        assert service.call(method, path, body, X_Auth_Token=other)[0] == 404, (method, path)
    assert listed(service, other, f"?id={source_id}") == (0, [])
    assert show(service, token, source_id)["name"] == "web-1"


def test_reader_may_look_but_not_touch(service: Service, token: str, project: str):
    source_id = register(service, token, linux())
    reader = service.token("reader", project)
    assert show(service, reader, source_id)["id"] == source_id
    status, _, answer = service.call("DELETE", f"/v3/sources/{source_id}", X_Auth_Token=reader)
    assert status == 403
    assert answer["error_code"] == "SMS.9004"
    assert "sms:server:delete" in answer["error_msg"]
    assert answer["details"] == [{"error_code": "SMS.9004", "error_msg": answer["error_param"][0]}]
    assert answer["encoded_authorization_message"]


def test_agent_sees_only_its_own_source(service: Service, token: str):
    machine = linux(facts=identified("disk-own"))
    _, _, mine = service.call("POST", "/v3/sources", machine, X_Auth_Token=token)
    other = register(service, token, linux())
    agent = mine["agent_token"]
    assert show(service, agent, mine["id"])["id"] == mine["id"]
    for method, path, body in (
        ("GET", f"/v3/sources/{other}", None),
        ("GET", f"/v3/sources/{other}/command", None),
        ("PUT", f"/v3/sources/{other}/diskinfo", {"disks": []}),
        ("GET", "/v3/sources", None),
        ("DELETE", f"/v3/sources/{mine['id']}", None),
        ("GET", "/v3/sources/overview", None),
    ):
        assert service.call(method, path, body, X_Auth_Token=agent)[0] == 403, (method, path)


def test_agent_of_a_deleted_source_is_unknown(service: Service, token: str):
    body = linux(facts=identified("disk-del"))
    _, _, mine = service.call("POST", "/v3/sources", body, X_Auth_Token=token)
    service.call("DELETE", f"/v3/sources/{mine['id']}", X_Auth_Token=token)
    path = f"/v3/sources/{mine['id']}/command"
    assert service.call("GET", path, X_Auth_Token=mine["agent_token"])[0] == 401


def test_overview_counts_states(service: Service, token: str):
    register(service, token, linux())
    register(service, token, linux(paravirtualization=True))
    register(service, token, windows())
    status, _, answer = service.call("GET", "/v3/sources/overview", X_Auth_Token=token)
    assert status == 200
    assert (answer["waiting"], answer["unavailable"], answer["unconfigured"]) == (2, 1, 2)
    assert sum(v for k, v in answer.items() if k != "unconfigured") == 3


def test_enrolment_code_registers_once(service: Service, token: str, project: str):
    with service.house() as opened:
        code = opened.code(opened.project(project))
    body = linux(facts=identified("disk-enrol"))
    status, _, first = service.call("POST", "/v3/sources", body, X_Enrolment_Code=code)
    assert status == 200
    assert first["agent_token"]
    shown = show(service, token, first["id"])
    assert shown["name"] == "web-1"
    assert "identity" not in shown["facts"]
    status, _, again = service.call("POST", "/v3/sources", body, X_Enrolment_Code=code)
    assert (status, again["id"]) == (200, first["id"])
    assert again["agent_token"] != first["agent_token"]
    other = linux(facts=identified("disk-of-another"))
    assert service.call("POST", "/v3/sources", other, X_Enrolment_Code=code)[0] == 401
    assert listed(service, token)[0] == 1


def test_machine_without_an_address_is_known_by_the_one_it_calls_from(service: Service, token: str):
    body = linux(ip="", facts=identified("disk-no-address"))
    assert show(service, token, register(service, token, body))["ip"] == "127.0.0.1"


def test_poll_is_the_heartbeat(service: Service, token: str):
    source_id = register(service, token, linux())
    status, _, answer = service.call("GET", f"/v3/sources/{source_id}/command", X_Auth_Token=token)
    assert status == 200
    assert answer == {"command_name": "TASK_NOT_STARTED", "command_param": {}}


def test_result_of_a_command_never_handed_out_is_refused(service: Service, token: str):
    source_id = register(service, token, linux())
    body = {"command_name": "START", "result": "success", "result_detail": {}}
    path = f"/v3/sources/{source_id}/command_result"
    status, _, answer = service.call("POST", path, body, X_Auth_Token=token)
    assert (status, answer["error_code"]) == (400, "SMS.2009")


@pytest.mark.parametrize("field", ["name", "os_type", "os_version", "networks", "agent_version"])
def test_registration_names_the_missing_field(service: Service, token: str, field: str):
    body = linux()
    del body[field]
    status, _, answer = service.call("POST", "/v3/sources", body, X_Auth_Token=token)
    assert status == 400
    assert field in answer["error_msg"]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"ip": None}, "ip"),
        ({"name": ""}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"os_type": "AMIGA"}, "os_type"),
        ({"memory": -1}, "memory"),
        ({"memory": "much"}, "memory"),
        ({"memory": "24"}, "memory"),
        ({"has_tc": "true"}, "has_tc"),
        ({"cpu_quantity": 65536}, "cpu_quantity"),
        ({"disks": [{"size": "big"}]}, "disks"),
        ({"networks": [{"name": "eth0"}]}, "mac"),
    ],
)
def test_registration_names_the_wrong_field(
    service: Service, token: str, changes: dict[str, Any], named: str
):
    body = {k: v for k, v in (linux() | changes).items() if v is not None}
    status, _, answer = service.call("POST", "/v3/sources", body, X_Auth_Token=token)
    assert status == 400
    assert named in answer["error_msg"]


def test_unknown_fields_are_ignored(service: Service, token: str):
    assert register(service, token, linux(favourite_colour="blue"))


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "expected"),
    [
        ("GET", "/v3/nothing", None, {}, (404, "APIGW.0101")),
        ("GET", "/v3/sources/{source_id}", None, {}, (404, "SMS.0202")),
        ("PATCH", "/v3/sources", b"{}", {}, (405, "REHOST.4050")),
        ("POST", "/v3/sources", b"", {}, (400, "REHOST.4000")),
        ("POST", "/v3/sources", b"{", {}, (400, "REHOST.4000")),
        ("POST", "/v3/sources", b"[]", {}, (400, "REHOST.4000")),
        ("POST", "/v3/sources", b"\xff", {}, (400, "REHOST.4000")),
        ("POST", "/v3/sources", b"{}", {"Content_Type": "text/xml"}, (415, "SMS.2006")),
        ("POST", "/v3/sources", b" " * (8 << 20) + b"{}", {}, (413, "SMS.2005")),
    ],
)
def test_errors_have_the_documented_shape(  # noqa: PLR0917 - a row of the table above
    service: Service, token: str, method, path, body, headers, expected
):
    status, received, answer = service.call(method, path, body, X_Auth_Token=token, **headers)
    assert (status, answer["error_code"]) == expected
    assert answer["error_msg"]
    assert received["x-request-id"]


@pytest.mark.parametrize(
    "headers", [{}, {"X_Auth_Token": "wrong"}, {"Authorization": "Basic eA=="}]
)
def test_unknown_callers_learn_nothing(service: Service, headers: dict[str, str]):
    for method, path, body in (("GET", "/v3/sources", None), ("POST", "/v3/sources", b"{")):
        status, received, answer = service.call(method, path, body, **headers)
        assert (status, answer["error_code"]) == (401, "APIGW.0301")
        assert received["x-request-id"]


def test_charset_in_the_content_type_is_fine(service: Service, token: str):
    status, _, _ = service.call(
        "POST",
        "/v3/sources",
        linux(),
        X_Auth_Token=token,
        Content_Type="application/json;charset=utf-8",
    )
    assert status == 200


def test_silent_agent_is_disconnected_and_comes_back(make_service):
    service = make_service("--poll-interval", "1")
    token = service.token()
    source_id = register(service, token, linux())
    before = show(service, token, source_id)
    assert before["connected"] is True

    gone = wait_for_connected(service, token, source_id, False)
    assert gone["last_visit_time"] > before["last_visit_time"]
    assert gone["state_action_time"] == before["state_action_time"]

    service.call("GET", f"/v3/sources/{source_id}/command", X_Auth_Token=token)
    back = wait_for_connected(service, token, source_id, True)
    assert back["last_visit_time"] > gone["last_visit_time"]


def wait_for_connected(
    service: Service, token: str, source_id: str, wanted: bool
) -> dict[str, Any]:
    until = time.monotonic() + 60
    while (shown := show(service, token, source_id))["connected"] is not wanted:
        assert time.monotonic() < until
        time.sleep(0.2)
    return shown
