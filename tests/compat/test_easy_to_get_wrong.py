"""What clients of the API do that a server easily gets wrong: a test for each kind."""

import http.client
import json
from typing import Any

import huaweicloudsdksms.v3 as sms
import pytest

from tests.compat.bodies import CONTRACT, linux
from tests.compat.conftest import Service
from tests.compat.test_contract import SERVED
from tests.compat.test_sdk import with_token


@pytest.fixture(scope="module")
def token(service: Service) -> str:
    return service.token("admin", "easy")


@pytest.fixture(scope="module")
def source_id(service: Service, token: str) -> str:
    _, _, answer = service.call("POST", "/v3/sources", linux(), X_Auth_Token=token)
    return str(answer["id"])


def bare(
    service: Service, method: str, path: str, **headers: str
) -> tuple[int, dict[str, str], Any]:
    """A request with these headers only, and no body."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    received = {name.lower(): value for name, value in answer.getheaders()}
    return answer.status, received, json.loads(content)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v3/sources/{source_id}"),
        ("GET", "/v3/sources/%7Bsource_id%7D"),
        ("PUT", "/v3/sources/{source_id}"),
        ("DELETE", "/v3/sources/%7Bsource_id%7D"),
        ("GET", "/v3/sources/{server_id}/command"),
    ],
)
def test_unset_path_parameter_is_not_found(service: Service, token: str, method: str, path: str):
    body: object = {} if method == "PUT" else None
    status, headers, answer = service.call(method, path, body, X_Auth_Token=token)
    assert (status, answer["error_code"]) == (404, "SMS.0202")
    assert "_id}" in answer["error_msg"]
    assert headers["x-request-id"]


def test_ids_in_paths_may_be_percent_encoded(service: Service, token: str, source_id: str):
    encoded = "".join(f"%{ord(letter):02x}" for letter in source_id)
    status, _, answer = service.call("GET", f"/v3/sources/{encoded}", X_Auth_Token=token)
    assert (status, answer["id"]) == (200, source_id)


@pytest.mark.parametrize(("query", "count"), [("connected=true", 1), ("connected=false", 0)])
def test_booleans_of_queries(service: Service, token: str, source_id: str, query: str, count: int):
    status, _, answer = service.call("GET", f"/v3/sources?{query}", X_Auth_Token=token)
    assert (status, answer["count"]) == (200, count)


@pytest.mark.parametrize("path", ["/v3/sources?limit=0", "/v3/errors?limit=0&offset=0"])
def test_limit_of_zero_is_the_default(service: Service, token: str, source_id: str, path: str):
    status, _, answer = service.call("GET", path, X_Auth_Token=token)
    entries = answer.get("source_servers", answer.get("migration_errors"))
    assert (status, len(entries)) == (200, answer["count"])


def test_no_operation_takes_lists_in_its_query_yet():
    """The key is repeated for a list; one that comes must be read so."""
    served = [CONTRACT["operations"][name] for name in SERVED]
    kinds = {p["type"] for operation in served for p in operation["query_params"]}
    assert kinds == {"str", "int", "bool"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v3/sources"),
        ("POST", "/v3/sources/delete"),
        ("PUT", "/v3/sources/{}"),
        ("PUT", "/v3/sources/{}/diskinfo"),
        ("POST", "/v3/sources/{}/command_result"),
        ("POST", "/v3/auth/tokens"),
    ],
)
def test_empty_body_is_a_bad_request(
    service: Service, token: str, source_id: str, method: str, path: str
):
    for headers in ({"Content_Length": "0"}, {}):
        status, received, answer = bare(
            service, method, path.format(source_id), X_Auth_Token=token, **headers
        )
        assert (status, answer["error_code"]) == (400, "REHOST.4000")
        assert received["x-request-id"]


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json;charset=utf-8", "Application/JSON; charset=UTF-8"],
)
def test_content_type_may_carry_a_charset(
    service: Service, token: str, source_id: str, content_type: str
):
    for method, path, body in (
        ("GET", f"/v3/sources/{source_id}", None),
        ("PUT", f"/v3/sources/{source_id}", {"name": "web-1"}),
    ):
        status, _, _ = service.call(
            method, path, body, X_Auth_Token=token, Content_Type=content_type
        )
        assert status == 200


def test_content_type_may_be_absent(service: Service, token: str, source_id: str):
    path = f"/v3/sources/{source_id}"
    status, _, answer = bare(service, "GET", path, X_Auth_Token=token)
    assert (status, answer["id"]) == (200, source_id)


def test_client_that_casts_by_type_can_read_an_answer_full_of_nulls(service: Service, token: str):
    """Of this source nothing is known but what a registration must say."""
    needed = ("name", "os_type", "os_version", "networks", "agent_version", "ip")
    body = {name: linux()[name] for name in needed}
    _, _, answer = service.call("POST", "/v3/sources", body, X_Auth_Token=token)
    builder = sms.SmsClient.new_builder().with_credentials(with_token(token))
    client = builder.with_endpoint(service.url).build()
    shown = client.show_server(sms.ShowServerRequest(source_id=answer["id"]))
    assert (shown.name, shown.memory, shown.disks) == ("web-1", None, None)
    assert isinstance(shown.add_date, int)
    assert [type(check.id) for check in shown.checks] == [int] * len(shown.checks)
    client.delete_server(sms.DeleteServerRequest(source_id=answer["id"]))


def test_unknown_fields_and_parameters_are_dropped(service: Service, token: str, source_id: str):
    path = f"/v3/sources/{source_id}"
    body = {"name": "web-1", "colour": {"favourite": ["blue"]}}
    assert service.call("PUT", path, body, X_Auth_Token=token)[0] == 200
    status, _, answer = service.call("GET", f"{path}?colour=blue", X_Auth_Token=token)
    assert status == 200
    assert "colour" not in answer


@pytest.mark.parametrize(
    ("method", "path", "body", "known", "status"),
    [
        ("GET", "/v3/sources", None, False, 401),
        ("GET", "/v3/sources/x", None, True, 404),
        ("GET", "/no/such/path", None, True, 404),
        ("PATCH", "/v3/sources", None, True, 405),
        ("POST", "/v3/sources", b"{", True, 400),
        ("POST", "/v3/sources", b" " * (9 << 20), True, 413),
        ("GET", "/v3/sources?limit=x", None, True, 400),
    ],
)
def test_errors_are_strings_at_the_top_and_have_the_request_s_id(
    service: Service, token: str, *, method: str, path: str, body: Any, known: bool, status: int
):
    headers = {"X_Auth_Token": token} if known else {}
    found, received, answer = service.call(method, path, body, **headers)
    assert found == status
    assert received["content-type"] == "application/json"
    assert len(received["x-request-id"]) == 32
    assert isinstance(answer["error_code"], str)
    assert isinstance(answer["error_msg"], str)
    assert answer["error_msg"]


def test_every_request_has_an_id_of_its_own(service: Service, token: str):
    calls = [service.call("GET", "/v3/sources", X_Auth_Token=token) for _ in range(3)]
    assert len({headers["x-request-id"] for _, headers, _ in calls}) == 3


def test_root_lists_versions_to_anybody(service: Service):
    status, _, answer = bare(service, "GET", "/")
    assert status in (200, 300)
    assert [version["id"] for version in answer["versions"]] == ["v3"]


def test_overview_is_not_taken_for_an_id(service: Service, token: str, source_id: str):
    status, _, answer = service.call("GET", "/v3/sources/overview", X_Auth_Token=token)
    assert (status, answer["waiting"]) == (200, 1)


def test_path_with_its_id_in_front_is_told_apart(service: Service, token: str):
    figures = ("network_delay", "network_jitter", "migration_speed", "loss_percentage")
    body: dict[str, object] = dict.fromkeys((*figures, "cpu_usage", "mem_usage"), 1.0)
    path = "/v3/task-1/update-network-check-info"
    status, _, answer = service.call(
        "POST", path, body | {"evaluation_result": "good"}, X_Auth_Token=token
    )
    assert status == 404
    assert "task-1" in answer["error_msg"]
