import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import urlsplit

import pytest

from rehost.contract.client import Client, segment
from rehost.contract.connection import Timeouts
from rehost.contract.credentials import EnrolmentCode, KeyPair, Login, Token
from rehost.contract.retry import Backoff, retry
from rehost.contract.signature import Request, parse_authorization, verify
from rehost.contract.trust import Trust, pinned
from rehost.errors import (
    ApiError,
    BadAnswer,
    BadConfiguration,
    Error,
    ServiceNotTrusted,
    ServiceUnreachable,
)
from tests.compat.standin import Say, make_certificate, standin

OK = Say(body={"fine": True})


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    with contextlib.ExitStack() as cleanup:
        yield lambda *args, **more: cleanup.enter_context(Client(*args, **more))


def test_json_goes_out_and_comes_in(connect):
    with standin(lambda seen: Say(status=201, body=seen.body, headers={"X-Y": "z"})) as service:
        answer = connect(service.url).call("POST", "/v3/sources", body={"name": "主机"})
    assert answer.body == {"name": "主机"}
    assert answer.status is HTTPStatus.CREATED
    assert answer.headers["x-y"] == "z"
    assert service.seen[0].headers["Content-Type"] == "application/json"


def test_queries_are_sent_as_the_sdks_send_them(connect):
    query = {"connected": True, "name": "a b/+", "limit": 0, "x": ["1", "2"], "unset": None}
    with standin(lambda _: OK) as service:
        connect(service.url + "/prefix/").call("GET", f"/v3/{segment('a/b c')}", query=query)
    assert service.seen[0].target == (
        "/prefix/v3/a%2Fb%20c?connected=true&name=a%20b%2F%2B&limit=0&x=1&x=2"
    )


@pytest.mark.parametrize(
    ("credentials", "header"),
    [
        (Token("t-1\n"), ("X-Auth-Token", "t-1")),
        (EnrolmentCode("c-1"), ("X-Enrolment-Code", "c-1")),
    ],
)
def test_a_secret_travels_in_its_header(connect, credentials, header):
    with standin(lambda _: OK) as service:
        connect(service.url, credentials).call("GET", "/v3/config")
    assert header in service.seen[0].headers.items()
    assert header[1] not in repr(credentials)


def test_a_secret_that_no_header_can_carry_is_refused(connect):
    with pytest.raises(BadConfiguration, match="token"):
        connect("http://localhost:1", Token("a\r\nX: y")).call("GET", "/")


def test_a_key_pair_signs_what_is_on_the_wire(connect):
    with standin(lambda _: OK) as service:
        client = connect(service.url, KeyPair(access="AK", secret="SK", project_id="p"))
        client.call("POST", "/v3/sources", query={"name": "a b"}, body={"x": "主"})
    seen = service.seen[0]
    request = Request(
        method=seen.method, target=seen.target, headers=seen.headers, body=seen.content
    )
    authorization = parse_authorization(seen.headers["Authorization"])
    assert "x-project-id" in authorization.signed_headers
    verify(request, authorization, "SK", now=datetime.now(UTC))


def log_in_service(seen):
    if seen.target == "/v3/auth/tokens":
        assert seen.body["auth"]["identity"]["password"]["user"]["name"] == "ada"
        return Say(status=201, body={"token": {}}, headers={"X-Subject-Token": "t-2"})
    return OK


def test_user_and_password_log_in_once(connect):
    with standin(log_in_service) as service:
        client = connect(service.url, Login(user="ada", password="secret", domain="d", project="p"))
        client.call("GET", "/v3/sources")
        client.call("GET", "/v3/sources")
    assert [seen.target for seen in service.seen] == ["/v3/auth/tokens"] + ["/v3/sources"] * 2
    assert service.seen[-1].headers["X-Auth-Token"] == "t-2"


def test_an_expired_log_in_is_renewed(connect):
    refuse = [Say(status=401, body={"error_code": "APIGW.0301", "error_msg": "expired"})]

    def answer(seen):
        if seen.target == "/v3/sources" and len(service.seen) > 2 and refuse:
            return refuse.pop()
        return log_in_service(seen)

    with standin(answer) as service:
        client = connect(service.url, Login(user="ada", password="secret", domain="d"))
        client.call("GET", "/v3/sources")
        assert client.call("GET", "/v3/sources").body == {"fine": True}
    assert [seen.target for seen in service.seen].count("/v3/auth/tokens") == 2


def test_an_error_of_the_service_keeps_what_the_service_said(connect):
    body = {"error_code": "SMS.0202", "error_msg": "source server 'x' not found"}
    with (
        standin(lambda _: Say(status=404, body=body, headers={"X-Request-Id": "r-1"})) as service,
        pytest.raises(ApiError, match="not found") as raised,
    ):
        connect(service.url).call("GET", "/v3/sources/x")
    error = raised.value
    assert (error.code, error.status, error.request_id) == ("SMS.0202", HTTPStatus.NOT_FOUND, "r-1")
    assert not error.retryable


@pytest.mark.parametrize(
    "say",
    [
        Say(raw=b"<html>"),
        Say(status=502, raw=b"<html>Bad Gateway"),
        Say(status=404, body=["x"]),
        Say(status=302, headers={"Location": "https://elsewhere/"}),
        Say(raw=b"[" * 100_000),
    ],
    ids=["html", "proxy", "foreign-json", "redirect", "deep"],
)
def test_what_is_no_answer_of_the_service_is_said_to_be_so(connect, say):
    with standin(lambda _: say) as service, pytest.raises(BadAnswer):
        connect(service.url).call("GET", "/v3/config")


def test_an_answer_is_bounded(connect, monkeypatch):
    monkeypatch.setattr("rehost.contract.connection.ANSWER_LIMIT", 1000)
    with (
        standin(lambda _: Say(body="x" * 1000)) as service,
        pytest.raises(BadAnswer, match="larger"),
    ):
        connect(service.url).call("GET", "/v3/config")


def test_half_an_answer_is_none(connect):
    with (
        standin(lambda _: Say(raw=b"{}", headers={"Content-Length": "9"}, close=True)) as service,
        pytest.raises(ServiceUnreachable),
    ):
        connect(service.url).call("GET", "/v3/config")


def test_nobody_there_is_unreachable_and_retryable(connect):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(ServiceUnreachable, match="check") as raised:
            connect(url).call("GET", "/v3/config")
    assert raised.value.retryable


def test_silence_is_unreachable(connect):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        client = connect(url, timeouts=Timeouts(answer_s=0.1))
        with pytest.raises(ServiceUnreachable, match="firewall"):
            client.call("GET", "/v3/config")


def test_the_connection_is_kept(connect):
    with standin(lambda _: OK) as service:
        client = connect(service.url)
        client.call("GET", "/v3/config")
        client.call("GET", "/v3/config")
    assert len({seen.port for seen in service.seen}) == 1


def test_a_kept_connection_that_was_closed_is_made_anew(connect):
    with standin(lambda _: OK) as service:
        client = connect(service.url)
        client.call("GET", "/v3/config")
        service.hang_up()
        assert client.call("GET", "/v3/config").body == {"fine": True}


def test_a_post_is_never_sent_twice(connect):
    with standin(lambda seen: replace(OK, drop=seen.method == "POST")) as service:
        client = connect(service.url)
        client.call("GET", "/v3/config")
        with pytest.raises(ServiceUnreachable):
            client.call("POST", "/v3/tasks", body={})
    assert [seen.method for seen in service.seen] == ["GET", "POST"]


@pytest.mark.parametrize(
    "url", ["", "rehost", "ftp://x", "http://", "https://u@x", "https://x:y", "https://x/?a=1"]
)
def test_what_is_no_service_url_is_refused(connect, url):
    with pytest.raises(BadConfiguration, match="no service URL"):
        connect(url)


def test_plain_http_is_for_this_machine_alone(connect):
    for url in ("http://localhost:1", "http://127.0.0.1", "http://[::1]:5"):
        connect(url)
    with pytest.raises(BadConfiguration, match="clear text"):
        connect("http://10.0.0.1:8780")
    connect("http://10.0.0.1:8780", trust=Trust(insecure_http=True))


def test_a_certificate_that_nobody_vouches_for_is_refused(connect, tmp_path):
    certificate, _ = make_certificate(tmp_path)
    with (
        standin(lambda _: OK, certificate=certificate) as service,
        pytest.raises(ServiceNotTrusted, match="--pin"),
    ):
        connect(service.url).call("GET", "/v3/config")
    assert service.seen == []


def test_a_ca_file_vouches(connect, tmp_path):
    certificate, _ = make_certificate(tmp_path)
    trust = Trust(certificates=certificate.read_text())
    with standin(lambda _: OK, certificate=certificate) as service:
        assert connect(service.url, trust=trust).call("GET", "/v3/config").body


@pytest.mark.parametrize("address", ["127.0.0.1", "192.0.2.1"], ids=["named", "unnamed"])
def test_a_pin_becomes_the_certificate(connect, tmp_path, address):
    certificate, pin = make_certificate(tmp_path, address=address)
    with standin(lambda _: OK, certificate=certificate) as service:
        trust = pinned(service.url, Trust(pin=pin.upper()), timeout_s=5)
        assert service.seen == []
        assert connect(service.url, trust=trust).call("GET", "/v3/config").body
    assert trust.certificates is not None
    assert trust.certificates in certificate.read_text()
    assert trust.check_host_name == (address == "127.0.0.1")


@pytest.mark.parametrize("address", ["127.0.0.1", "192.0.2.1"], ids=["named", "unnamed"])
def test_another_certificate_is_refused_once_one_is_pinned(connect, tmp_path, address):
    certificate, pin = make_certificate(tmp_path, address=address)
    other, _ = make_certificate(tmp_path, address=address)
    with standin(lambda _: OK, certificate=certificate) as service:
        trust = pinned(service.url, Trust(pin=pin), timeout_s=5)
    with standin(lambda _: OK, certificate=other, port=service.server_port) as impostor:
        with pytest.raises(ServiceNotTrusted, match="pinned"):
            pinned(impostor.url, Trust(pin=pin), timeout_s=5)
        with pytest.raises(ServiceNotTrusted):
            connect(impostor.url, Token("secret"), trust).call("GET", "/v3/config")
    assert impostor.seen == []


def test_https_to_a_service_of_plain_http_says_so(connect):
    with standin(lambda _: OK) as service, pytest.raises(ServiceUnreachable, match="plain http"):
        connect(f"https://127.0.0.1:{urlsplit(service.url).port}").call("GET", "/")


@pytest.mark.parametrize("pin", ["", "md5:00", "sha256:00", "sha256:" + "g" * 64])
def test_a_malformed_pin_is_refused(pin):
    with pytest.raises(BadConfiguration, match="no pin"):
        pinned("https://127.0.0.1:1", Trust(pin=pin), timeout_s=1)


class Failing:
    def __init__(self, *errors: Error) -> None:
        self.errors = list(errors)
        self.waits: list[float] = []

    def attempt(self) -> str:
        if self.errors:
            raise self.errors.pop(0)
        return "done"

    def retry(self, **backoff) -> str:
        return retry(self.attempt, backoff=Backoff(**backoff), wait=self.waits.append)


def test_retries_what_is_retryable():
    failing = Failing(*[ServiceUnreachable("x")] * 20)
    assert failing.retry() == "done"
    assert len(failing.waits) == 20
    assert all(0 <= wait <= min(60, 2 ** (n + 1)) for n, wait in enumerate(failing.waits))


def test_raises_what_is_not():
    failing = Failing(BadConfiguration("x"))
    with pytest.raises(BadConfiguration):
        failing.retry()
    assert failing.waits == []


def test_gives_up_after_the_attempts_it_was_given():
    failing = Failing(*[ServiceUnreachable("x")] * 5)
    with pytest.raises(ServiceUnreachable):
        failing.retry(attempts=3)
    assert len(failing.waits) == 2


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("7", 7, 9),
        ("99999999", 3600, 3602),
        ("soon", 0, 2),
        ("Mon, 01 Jan 2001 00:00:00 GMT", 0, 2),
    ],
)
def test_waits_as_long_as_the_service_asks(connect, header, least, most):
    body = {"error_code": "APIGW.0308", "error_msg": "too many"}
    say = Say(status=429, body=body, headers={"Retry-After": header})
    waits: list[float] = []
    with standin(lambda _: OK if waits else say) as service:
        client = connect(service.url)
        retry(lambda: client.call("GET", "/"), backoff=Backoff(), wait=waits.append)
    assert len(waits) == 1
    assert least <= waits[0] <= most
