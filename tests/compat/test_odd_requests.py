"""Requests that no well-behaved client sends: refused by the place that is wrong, never a 500."""

import json
import re
import socket
import urllib.request
from typing import Any

import pytest

from rehost.control.api import OPERATIONS
from rehost.control.edge import BODY_S
from rehost.control.operation import Access, Operation
from tests.compat.bodies import linux
from tests.compat.conftest import Service

BODY = json.dumps(linux(disks=[])).encode()


@pytest.fixture(scope="module")
def token(service: Service) -> str:
    return service.token(project="odd")


def send(service: Service, head: str, body: bytes = b"", /, **headers: str) -> tuple[int, Any]:
    """A request as written here, which no HTTP library would send."""
    lines = [f"{head} HTTP/1.1", "Host: odd", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body and "Transfer_Encoding" not in headers:
        lines += [f"Content-Length: {len(body)}"]
    raw = "\r\n".join([*lines, "", ""]).encode("latin-1") + body
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        connection.sendall(raw)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    start, _, content = answer.partition(b"\r\n\r\n")
    assert b"x-request-id: " in start.lower()
    return int(start.split()[1]), json.loads(content) if content else None


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("name=%00", "query parameter name: NUL"),
        ("name=a%00b", "query parameter name: NUL"),
        ("name=%ff", "not UTF-8"),
        ("name=%ED%A0%80", "not UTF-8"),  # half of a surrogate pair
        ("name=" + "x" * 256, "query parameter name"),
        ("limit=" + "9" * 5000, "query parameter limit"),
        ("limit=99999999999999999999", "query parameter limit"),
        ("limit=1e1", "query parameter limit"),
        ("limit=5.0", "query parameter limit"),
        ("limit=", "query parameter limit"),
        ("limit=%D9%A3", "query parameter limit"),  # the digit 3, in Arabic
        ("limit=5&limit=6", "query parameter limit: given more than once"),
        ("state=", "query parameter state"),
        ("state=null", "query parameter state"),
        ("connected=1", "query parameter connected"),
    ],
)
def test_query_is_refused_by_name(service: Service, token: str, query: str, said: str):
    status, answer = send(service, f"GET /v3/sources?{query}", X_Auth_Token=token)
    assert (status, answer["error_code"]) == (400, "REHOST.4000")
    assert said in answer["error_msg"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 1),
        ("name=null", 0),
        ("name=None", 0),
        ("name=", 1),
        ("name=w%65b", 1),
        ("name=%zz", 0),
        ("connected=TRUE", 1),
        ("connected=false", 0),
        ("offset=-0&limit=%2B5", 1),
        ("no_such_parameter=%00&&=", 1),
    ],
)
def test_query_that_can_be_understood_is(service: Service, query: str, found: int):
    token = service.token(project=f"odd {query}")
    assert service.call("POST", "/v3/sources", linux(), X_Auth_Token=token)[0] == 200
    status, answer = send(service, f"GET /v3/sources?{query}", X_Auth_Token=token)
    assert (status, answer["count"]) == (200, found)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"web-1"', rb'"a\u0000b"', "body field name: NUL"),
        (b'"eth0"', rb'"\u0000"', "body field networks[0].name: NUL"),
        (b'"hostname"', rb'"facts\u0000": 1, "hostname"', r"'facts\x00': NUL"),
        (b'"web-1"', b'"a\0b"', "not JSON"),
        (b'"web-1"', rb'"\ud800"', "not JSON"),
        (b'"web-1"', rb'"\udc00\ud800"', "not JSON"),
        (b'"web-1"', b'"\xe9"', "not JSON"),
        (b'"web-1"', b'"\xed\xa0\x80"', "not JSON"),
        (b'"disks": []', b'"x": ' + b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b'"disks": []', b'"memory": ' + b"9" * 5000, "out of range"),
        (b'"disks": []', b'"io_read_wait": 1e999', "out of range"),
        (b'"disks": []', b'"io_read_wait": NaN', "not JSON"),
        (b'"disks": []', b'"memory": "5"', "body field memory"),
        (b'"disks": []', b'"disks": [{"size": 1}, {"size": -1}]', "body field disks[1].size"),
        (b'"disks": []', b'"has_tc": 1', "body field has_tc"),
    ],
)
def test_body_is_refused_by_field(service: Service, token: str, old: bytes, new: bytes, said: str):
    body = BODY.replace(old, new, 1)
    headers = {"X_Auth_Token": token, "Content_Type": "application/json"}
    status, answer = send(service, "POST /v3/sources", body, **headers)
    assert (status, answer["error_code"]) == (400, "REHOST.4000")
    assert said in answer["error_msg"]


@pytest.mark.parametrize("new", [rb'"a\\u0000b"', rb'"\u0001\ud83d\ude00"', b'"\xc3\xa9"'])
def test_odd_texts_come_back_as_they_are(service: Service, token: str, new: bytes):
    headers = {"X_Auth_Token": token, "Content_Type": "application/json"}
    body = BODY.replace(b'"hostname": "web-1"', b'"hostname": ' + new)
    status, answer = send(service, "POST /v3/sources", body, **headers)
    assert status == 200
    _, _, shown = service.call("GET", f"/v3/sources/{answer['id']}", X_Auth_Token=token)
    assert shown["hostname"] == json.loads(new)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_nul_in_a_path_is_refused(service: Service, token: str, method: str):
    body = b"{}" if method == "PUT" else b""
    headers = {"X_Auth_Token": token, "Content_Type": "application/json"}
    status, answer = send(service, f"{method} /v3/sources/%00", body, **headers)
    assert status == 400
    assert "path parameter source_id: NUL" in answer["error_msg"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v3/sources/%ff", 404, "SMS.0202"),
        ("/v3/sources/a%2Fb", 404, "APIGW.0101"),
        ("/v3/sources/%2e%2e%2f", 404, "SMS.0202"),
        ("/%00", 400, "REHOST.4000"),
        ("/nothing", 404, "APIGW.0101"),
    ],
)
def test_odd_paths(service: Service, token: str, path: str, status: int, code: str):
    found, answer = send(service, f"GET {path}", X_Auth_Token=token)
    assert (found, answer["error_code"]) == (status, code)


@pytest.mark.parametrize(
    "name", ["X_Auth_Token", "X_Enrolment_Code", "Authorization", "X_Project_Id", "X_Language"]
)
@pytest.mark.parametrize("value", ["\xff\xfe", "SDK-HMAC-SHA256 Access=\xff, Signature=\xff", " "])
def test_odd_headers_are_no_credentials_and_no_failure(service: Service, name: str, value: str):
    status, answer = send(service, "GET /v3/sources", **{name: value})
    assert (status, answer["error_code"]) == (401, "APIGW.0301")


@pytest.mark.parametrize(
    "operation",
    [o for o in OPERATIONS if o.access is not Access.ANYONE],
    ids=lambda o: f"{o.method} {o.path}",
)
def test_nothing_is_told_without_credentials(service: Service, operation: Operation):
    status, headers, answer = service.call(operation.method, operation.path, b"{")
    assert status == 401
    assert headers["x-request-id"]
    assert operation.method == "HEAD" or answer["error_code"] == "APIGW.0301"


def test_body_of_unknown_length_is_limited_too(service: Service, token: str):
    size = 1 << 20
    chunk = f"{size:x}\r\n".encode() + b" " * size + b"\r\n"
    status, answer = send(
        service,
        "POST /v3/sources",
        chunk * 9 + b"0\r\n\r\n",
        X_Auth_Token=token,
        Content_Type="application/json",
        Transfer_Encoding="chunked",
    )
    assert (status, answer["error_code"]) == (413, "SMS.2005")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v3/sources", {"GET", "POST", "OPTIONS"}),
        ("/v3/sources/x", {"GET", "PUT", "DELETE", "OPTIONS"}),
        ("/v3/auth/tokens", {"GET", "HEAD", "POST", "DELETE", "OPTIONS"}),
    ],
)
def test_methods_of_a_path_are_told(service: Service, path: str, allowed: set[str]):
    for method, expected in (("OPTIONS", 204), ("PATCH", 405)):
        status, headers, _ = service.call(method, path)
        assert (status, set(headers["allow"].split(", "))) == (expected, allowed)
        assert headers["x-request-id"]


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/docs/static/page.css"])
def test_pages_have_a_request_id_too(service: Service, path: str):
    with urllib.request.urlopen(service.url + path) as answer:
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-Id"])


def test_a_body_that_breaks_off_is_no_failure_of_the_service(service: Service, token: str):
    headers = {"X_Auth_Token": token, "Transfer_Encoding": "chunked"}
    status, answer = send(service, "POST /v3/sources", b"no length\r\n", **headers)
    assert (status, answer["error_code"]) == (400, "REHOST.4000")


@pytest.mark.slow
def test_a_body_that_never_ends_is_given_up(service: Service):
    head = b"POST /v3/auth/tokens HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{"
    with socket.create_connection(("127.0.0.1", service.port), timeout=BODY_S + 10) as connection:
        connection.sendall(head)
        assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")
