import hashlib
import hmac
import json
import string
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehost.contract.signature import (
    WINDOW,
    Authorization,
    Request,
    canonical_request,
    parse_authorization,
    sign,
    string_to_sign,
    verify,
)
from rehost.errors import NotAuthenticated

DATA = json.loads((Path(__file__).parents[1] / "data/sms-v3/sign_vectors.json").read_text())
NOW = datetime(2024, 1, 1, tzinfo=UTC)
VECTORS = pytest.mark.parametrize("vector", DATA["vectors"], ids=lambda v: v["name"])


def request_of(vector) -> Request:
    headers = {"Host": DATA["host"], "Content-Type": "application/json", **vector["headers_in"]}
    return Request(
        method=vector["method"],
        target=vector["uri_on_wire"],
        headers=headers,
        body=(vector["body"] or "").encode(),
    )


def signed(request: Request, secret: str = "SK") -> Request:
    return replace(request, headers={**request.headers, **sign(request, "AK", secret, now=NOW)})


def check(request: Request, secret: str = "SK", now: datetime = NOW) -> None:
    verify(request, parse_authorization(request.headers["Authorization"]), secret, now=now)


@VECTORS
def test_signs_as_the_public_sdk_does(vector):
    request = request_of(vector)
    added = sign(request, DATA["ak"], DATA["sk"], now=NOW)
    assert added["Authorization"] == vector["authorization"]

    headers = {name.lower(): value for name, value in {**request.headers, **added}.items()}
    names = parse_authorization(vector["authorization"]).signed_headers
    canonical = canonical_request(request, headers, names)
    assert canonical.decode() == vector["canonical_request"]
    assert string_to_sign(added["X-Sdk-Date"], canonical) == vector["string_to_sign"]


@VECTORS
def test_verifies_what_the_public_sdk_signed(vector):
    request = request_of(vector)
    wire = {"X-Sdk-Date": "20240101T000000Z"}
    if "UNSIGNED-PAYLOAD" in vector["canonical_request"]:
        wire["X-Sdk-Content-Sha256"] = "UNSIGNED-PAYLOAD"
    request = replace(request, headers={**request.headers, **wire})
    authorization = parse_authorization(vector["authorization"])
    assert authorization.access == DATA["ak"]
    verify(request, authorization, DATA["sk"], now=NOW)
    with pytest.raises(NotAuthenticated):
        verify(request, authorization, DATA["sk"] + "x", now=NOW)


@pytest.mark.parametrize("off", [-WINDOW, WINDOW])
def test_a_date_within_the_window_is_accepted(off):
    check(signed(GET), now=NOW + off)


@pytest.mark.parametrize("off", [-WINDOW, WINDOW])
def test_a_date_outside_the_window_is_refused(off):
    with pytest.raises(NotAuthenticated, match="15 minutes"):
        check(signed(GET), now=NOW + off * (1 + 1e-6))


@pytest.mark.parametrize("date", ["", "now", "20241301T000000Z", "20240101T000000", "٢٠٢٤0101T0"])
def test_a_malformed_date_is_refused(date):
    request = signed(replace(GET, headers={**GET.headers, "X-Sdk-Date": date}))
    with pytest.raises(NotAuthenticated, match="X-Sdk-Date"):
        check(request)


def test_a_project_may_be_named_after_signing_but_not_be_changed():
    request = signed(GET)
    check(replace(request, headers={**request.headers, "X-Project-Id": "p"}))
    request = signed(replace(GET, headers={**GET.headers, "X-Project-Id": "p"}))
    with pytest.raises(NotAuthenticated, match="does not match"):
        check(replace(request, headers={**request.headers, "X-Project-Id": "other"}))


def test_a_signed_header_that_is_gone_is_refused():
    request = signed(replace(GET, headers={**GET.headers, "X-Project-Id": "p"}))
    headers = {k: v for k, v in request.headers.items() if k != "X-Project-Id"}
    with pytest.raises(NotAuthenticated, match="x-project-id"):
        check(replace(request, headers=headers))


def test_a_signed_digest_of_another_body_is_refused():
    digest = {"X-Sdk-Content-Sha256": "0" * 64}
    request = signed(replace(GET, headers={**GET.headers, **digest}, body=b"{}"))
    with pytest.raises(NotAuthenticated):
        check(replace(request, body=b"[]"))


def test_a_payload_is_only_unsigned_if_that_is_signed():
    request = signed(replace(GET, body=b"{}"))
    headers = {**request.headers, "X-Sdk-Content-Sha256": "UNSIGNED-PAYLOAD"}
    check(replace(request, headers=headers))
    with pytest.raises(NotAuthenticated):
        check(replace(request, headers=headers, body=b"[]"))


def test_values_in_the_order_of_the_sdk_are_accepted():
    # The SDK sorts [2, 10] as numbers, so the query that it signs is not in the order of text.
    date = NOW.strftime("%Y%m%dT%H%M%SZ")
    request = replace(GET, target="/v3/x?x=2&x=10", headers={**GET.headers, "X-Sdk-Date": date})
    names = tuple(sorted(name.lower() for name in request.headers))
    lower = {name.lower(): value for name, value in request.headers.items()}
    canonical = canonical_request(request, lower, names, sort_values=False)

    signature = hmac.new(b"SK", string_to_sign(date, canonical).encode(), hashlib.sha256)
    verify(request, Authorization("AK", names, signature.hexdigest()), "SK", now=NOW)


GET = Request(method="GET", target="/v3/sources", headers={"Host": "localhost"})

TEXT = st.text(max_size=8)
NAMES = st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=8)
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=8)
QUERIES = st.lists(st.tuples(TEXT, TEXT), max_size=4)
REQUESTS = st.builds(
    lambda method, path, query, headers, body: Request(
        method=method,
        target="/v3/"
        + "/".join(quote(part, safe="") for part in path)
        + ("?" + "&".join(f"{quote(k)}={quote(v)}" for k, v in query) if query else ""),
        headers={"Host": "localhost", **{f"X-{name}": v for name, v in headers.items()}},
        body=body,
    ),
    st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    st.lists(TEXT.filter(lambda t: "/" not in t), max_size=3),
    QUERIES,
    st.dictionaries(NAMES.map(str.lower), VALUES, max_size=3),
    st.binary(max_size=20),
)


@given(REQUESTS)
def test_every_signed_request_verifies(request):
    check(signed(request))


@given(REQUESTS, st.data())
def test_any_changed_byte_fails(request, data):
    request = signed(request)
    change = data.draw(st.sampled_from(["method", "path", "query", "header", "body", "signature"]))
    if change == "method":
        changed = replace(request, method=request.method + "X")
    elif change == "path":
        path, _, query = request.target.partition("?")
        changed = replace(request, target=path.rstrip("/") + "/x?" + query)
    elif change == "query":
        glue = "&" if "?" in request.target else "?"
        changed = replace(request, target=request.target + glue + "a")
    elif change == "body":
        at = data.draw(st.integers(0, len(request.body)))
        extra = bytes([data.draw(st.integers(0, 255))])
        changed = replace(request, body=request.body[:at] + extra + request.body[at:])
    else:
        names = [n for n in request.headers if n not in ("Authorization", "X-Sdk-Date")]
        name = "Authorization" if change == "signature" else data.draw(st.sampled_from(names))
        value = request.headers[name]
        value = value[:-1] + ("0" if value[-1:] != "0" else "1")
        changed = replace(request, headers={**request.headers, name: value})
    with pytest.raises(NotAuthenticated):
        check(changed)


GARBAGE = st.text() | st.builds(
    "SDK-HMAC-SHA256 Access={}, SignedHeaders={}, Signature={}".format, TEXT, TEXT, TEXT
)


@given(GARBAGE)
def test_parsing_garbage_raises_only_the_documented_error(header):
    try:
        parse_authorization(header)
    except NotAuthenticated:
        return
    assert header.startswith("SDK-HMAC-SHA256")


HEADERS = st.dictionaries(st.text(max_size=12) | st.just("X-Sdk-Date"), st.text(max_size=20))


@given(st.text(), HEADERS, st.binary())
def test_verifying_garbage_raises_only_the_documented_error(target, headers, body):
    names = tuple(name.lower() for name in headers)
    request = Request(
        method="GET",
        target=target,
        headers={**headers, "X-Sdk-Date": NOW.strftime("%Y%m%dT%H%M%SZ")},
        body=body,
    )
    with pytest.raises(NotAuthenticated):
        verify(request, Authorization("a", names, "0" * 64), "s", now=NOW + timedelta(minutes=1))
