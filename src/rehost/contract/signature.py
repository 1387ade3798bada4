"""AK/SK signatures of requests, scheme SDK-HMAC-SHA256: made by clients, checked by the service.

The scheme itself treats `/a` and `/a/`, `a%2Fb` and `a/b`, and the order of query parameters as
one; everything else of a request that is signed cannot change unnoticed.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from rehost.errors import NotAuthenticated

ALGORITHM = "SDK-HMAC-SHA256"
DATE_FORMAT = "%Y%m%dT%H%M%SZ"
WINDOW = timedelta(minutes=15)
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"

_CONTENT = "x-sdk-content-sha256"
_DATE = "x-sdk-date"
_HASHED_TYPES = ("application/json", "application/bson")
_AUTHORIZATION = re.compile(
    ALGORITHM + r"[ ]+Access=([^\s,;=]{1,255}),[ ]*"
    r"SignedHeaders=([a-z0-9!#$%&'*+.^`|~-]+(?:;[a-z0-9!#$%&'*+.^`|~-]+)*),[ ]*"
    r"Signature=([0-9a-f]{64})",
    re.ASCII,
)
_SDK_DATE = re.compile(r"\d{8}T\d{6}Z", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it is on the wire.

    `target` is the path and query, still percent-encoded. `headers` are text as HTTP libraries
    give it, one character a byte (Latin-1).
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""


class Authorization(NamedTuple):
    """What an Authorization header of this scheme says."""

    access: str
    signed_headers: tuple[str, ...]
    signature: str


def sign(request: Request, access: str, secret: str, *, now: datetime) -> dict[str, str]:
    """Return the headers to add to `request`, Authorization among them.

    All headers that the request already has, Host included, are signed; those with "_" in their
    names are not, since gateways drop them. A date that the request has is kept.
    """
    headers = {name.lower(): value for name, value in request.headers.items()}
    added = {}
    if _DATE not in headers:
        added["X-Sdk-Date"] = now.astimezone(UTC).strftime(DATE_FORMAT)
    if (kind := headers.get("content-type")) and not kind.startswith(_HASHED_TYPES):
        added["X-Sdk-Content-Sha256"] = UNSIGNED_PAYLOAD
    headers |= {name.lower(): value for name, value in added.items()}
    signed = tuple(sorted(name for name in headers if "_" not in name))
    canonical = canonical_request(request, headers, signed)
    signature = _signature(secret, headers[_DATE], canonical)
    added["Authorization"] = (
        f"{ALGORITHM} Access={access}, SignedHeaders={';'.join(signed)}, Signature={signature}"
    )
    return added


def parse_authorization(header: str) -> Authorization:
    """Raise NotAuthenticated for anything that is not one well-formed header of this scheme."""
    if not (match := _AUTHORIZATION.fullmatch(header)):
        raise NotAuthenticated(
            f"the Authorization header is not of the form '{ALGORITHM} Access=…, "
            "SignedHeaders=…, Signature=…'; sign the request with an SDK, or send X-Auth-Token"
        )
    access, names, signature = match.groups()
    return Authorization(access, tuple(names.split(";")), signature)


def verify(request: Request, authorization: Authorization, secret: str, *, now: datetime) -> None:
    """Raise NotAuthenticated unless `secret` signed this very request within WINDOW of `now`.

    Headers that the signature does not name are as they came: the Go SDK that Terraform's provider
    is built on adds X-Project-Id and X-Domain-Id after it has signed.
    """
    headers = {name.lower(): value for name, value in request.headers.items()}
    signed = authorization.signed_headers
    if absent := [name for name in signed if name not in headers]:
        raise NotAuthenticated(f"the signed header {absent[0]!r} is missing from the request")
    date = headers.get(_DATE, "")
    _check_date(date, now)
    canonical = canonical_request(request, headers, signed)
    if _matches(authorization, secret, date, canonical):
        return
    # The Python SDK sorts the values of a repeated parameter as numbers where they are numbers
    # and sends them in that order; from the wire that cannot be told from text.
    canonical = canonical_request(request, headers, signed, sort_values=False)
    if not _matches(authorization, secret, date, canonical):
        raise NotAuthenticated(
            "the signature does not match the request; check the secret key (SK), and that "
            "nothing between client and service rewrites the path, the query or signed headers"
        )


def canonical_request(
    request: Request,
    headers: Mapping[str, str],
    signed_headers: Iterable[str],
    *,
    sort_values: bool = True,
) -> bytes:
    """Return the bytes whose digest is signed; `headers` are all headers, names in lower case."""
    path, _, query = request.target.partition("?")
    names = tuple(signed_headers)
    lines = (
        request.method.upper(),
        _canonical_path(path),
        _canonical_query(query, sort_values=sort_values),
        *(f"{name}:{headers[name].strip()}" for name in names),
        "",
        ";".join(names),
        _payload_digest(request.body, headers, names),
    )
    # Headers are one character a byte; path and query are ASCII by now.
    return "\n".join(lines).encode("latin-1", "replace")


def string_to_sign(date: str, canonical: bytes) -> str:
    return f"{ALGORITHM}\n{date}\n{hashlib.sha256(canonical).hexdigest()}"


def _canonical_path(path: str) -> str:
    encoded = quote(unquote_to_bytes(path), safe="/~")
    return encoded if encoded.endswith("/") else encoded + "/"


def _canonical_query(query: str, *, sort_values: bool) -> str:
    pairs = sorted(_query_pairs(query), key=None if sort_values else lambda pair: pair[0])
    return "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs)


def _query_pairs(query: str) -> Iterator[tuple[bytes, bytes]]:
    for part in query.split("&"):
        if part:
            name, _, value = part.replace("+", " ").partition("=")
            yield unquote_to_bytes(name), unquote_to_bytes(value)


def _payload_digest(body: bytes, headers: Mapping[str, str], signed: tuple[str, ...]) -> str:
    # A digest that the client sends is not believed: it must be that of this body.
    if body and _CONTENT in signed and headers[_CONTENT].strip() == UNSIGNED_PAYLOAD:
        return UNSIGNED_PAYLOAD
    return hashlib.sha256(body).hexdigest()


def _check_date(date: str, now: datetime) -> None:
    try:
        # strptime alone would also take fewer digits, and digits of other scripts.
        text = date if _SDK_DATE.fullmatch(date) else ""
        when = datetime.strptime(text, DATE_FORMAT).replace(tzinfo=UTC)
    except ValueError as e:
        raise NotAuthenticated(
            "the header X-Sdk-Date must be a UTC time like 20240131T235959Z"
        ) from e
    if abs(now - when) > WINDOW:
        raise NotAuthenticated(
            f"the request's X-Sdk-Date is {date}, the service's time is "
            f"{now.astimezone(UTC).strftime(DATE_FORMAT)}: more than 15 minutes apart; "
            "set the clock of the client (or of the service)"
        )


def _matches(authorization: Authorization, secret: str, date: str, canonical: bytes) -> bool:
    return hmac.compare_digest(_signature(secret, date, canonical), authorization.signature)


def _signature(secret: str, date: str, canonical: bytes) -> str:
    key, message = secret.encode(), string_to_sign(date, canonical).encode()
    return hmac.new(key, message, hashlib.sha256).hexdigest()
