"""The one HTTP client of the service's API, for agents and operators."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, NamedTuple, Self, TypeVar
from urllib.parse import quote, urlencode

import rehost
from rehost.contract.connection import Connection, RawAnswer, Timeouts
from rehost.contract.credentials import Credentials, KeyPair, Login, Token, as_header
from rehost.contract.signature import Request, sign
from rehost.contract.trust import Trust
from rehost.errors import ApiError, BadAnswer, Error

USER_AGENT = f"rehost/{rehost.__version__}"
_MOVED = frozenset({301, 302, 303, 307, 308})

T = TypeVar("T")
Query = Mapping[str, str | int | bool | Sequence[str] | None]


class Answer(NamedTuple):
    """`body` is the JSON, None if there was none; names in `headers` are in lower case."""

    status: HTTPStatus
    headers: Mapping[str, str]
    body: Any


class Client:
    """Speaks to one service as one caller. Not thread-safe."""

    def __init__(
        self,
        base_url: str,
        credentials: Credentials | None = None,
        trust: Trust = Trust(),  # noqa: B008 - frozen
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
    ) -> None:
        """Raises BadConfiguration, for plain http to another machine too. Sends nothing yet."""
        self.base_url = base_url.rstrip("/")
        self._credentials = credentials
        self._connection = Connection(self.base_url, trust, timeouts)
        self._token: Token | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request; `body` becomes JSON unless it is bytes of JSON already.

        `path` is percent-encoded (see `segment`). Raises ApiError for an error of the service,
        ServiceUnreachable, ServiceNotTrusted or BadAnswer; nothing is retried.
        """
        credentials = self._credentials
        if not isinstance(credentials, Login):
            return self._send(method, path, query, body, headers, credentials)
        fresh = self._token is None
        try:
            return self._send(method, path, query, body, headers, self._log_in(credentials))
        except ApiError as e:
            if fresh or e.status is not HTTPStatus.UNAUTHORIZED:
                raise
        self._token = None  # it expired
        return self._send(method, path, query, body, headers, self._log_in(credentials))

    def download(self, path: str) -> bytes:
        """What is at a path, whatever it is. Raises as `call`; not for a caller who is a Login."""
        parts = self._connection.parts
        raw = self._exchange("GET", parts.path + path, b"", {"Accept": "*/*"}, self._credentials)
        if raw.status != HTTPStatus.OK:
            self._understand(raw)
        return raw.content

    def close(self) -> None:
        self._connection.close()

    def _log_in(self, login: Login) -> Token:
        if self._token is None:
            answer = self._send("POST", "/v3/auth/tokens", None, login.body(), None, None)
            if not (token := answer.headers.get("x-subject-token")):
                raise BadAnswer(f"{self.base_url} logged in but gave no token; is it a Rehost?")
            self._token = Token(token)
        return self._token

    def _send(
        self,
        method: str,
        path: str,
        query: Query | None,
        body: object,
        headers: Mapping[str, str] | None,
        credentials: Credentials | None,
    ) -> Answer:
        parts = self._connection.parts
        target = parts.path + path + _encode_query(query)
        whole = {"Accept": "application/json", **(headers or {})}
        return self._understand(
            self._exchange(method, target, _encode_body(body), whole, credentials)
        )

    def _exchange(
        self,
        method: str,
        target: str,
        content: bytes,
        headers: Mapping[str, str],
        credentials: Credentials | None,
    ) -> RawAnswer:
        host = self._connection.parts.netloc
        whole = {"Host": host, "User-Agent": USER_AGENT, **headers}
        if content or method in ("POST", "PUT"):
            whole = {"Content-Type": "application/json", **whole}
            whole["Content-Length"] = str(len(content))
        request = Request(method=method, target=target, headers=whole, body=content)
        whole |= _authenticate(credentials, request)
        return self._connection.exchange(method, target, whole, content)

    def _understand(self, raw: RawAnswer) -> Answer:
        if raw.status in _MOVED:
            raise BadAnswer(
                f"{self.base_url} sends its callers to {raw.headers.get('location')}; use that URL"
            )
        try:
            status = HTTPStatus(raw.status)
            body = json.loads(raw.content) if raw.content else None
        except (ValueError, RecursionError) as e:
            kind = raw.headers.get("content-type", "something")
            raise BadAnswer(
                f"{self.base_url} answered HTTP {raw.status} with {kind} instead of JSON; check "
                "the URL, and what stands between this machine and the service"
            ) from e
        if status >= 400:
            raise _api_error(status, raw.headers, body)
        return Answer(status, raw.headers, body)


def segment(text: str) -> str:
    """Encode one part of a path, such as an id that somebody typed."""
    return quote(text, safe="")


def _encode_query(query: Query | None) -> str:
    pairs = [(name, value) for name, value in (query or {}).items() if value is not None]
    texts = [(n, str(v).lower() if isinstance(v, bool) else v) for n, v in pairs]
    return "?" + urlencode(texts, doseq=True, quote_via=quote) if texts else ""


def _encode_body(body: object) -> bytes:
    if body is None:
        return b""
    return body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()


def _authenticate(credentials: Credentials | None, request: Request) -> Mapping[str, str]:
    if credentials is None or isinstance(credentials, Login):
        return {}
    headers = credentials.headers()
    if not isinstance(credentials, KeyPair):
        return headers
    # Length and encodings are the connection's matter, and proxies change them.
    names = ("host", "content-type")
    kept = {name: v for name, v in request.headers.items() if name.lower() in names}
    signed = Request(
        method=request.method,
        target=request.target,
        headers={**kept, **headers},
        body=request.body,
    )
    access = as_header("access key", credentials.access)
    return {**headers, **sign(signed, access, credentials.secret, now=datetime.now(UTC))}


def _api_error(status: HTTPStatus, headers: Mapping[str, str], body: object) -> Error:
    said = body if isinstance(body, dict) else {}
    code, message = said.get("error_code"), said.get("error_msg")
    if not isinstance(code, str) or not isinstance(message, str):
        return BadAnswer(
            f"HTTP {status:d} without the service's error code; check the URL, and what stands "
            "between this machine and the service"
        )
    return ApiError(
        message,
        code=code,
        status=status,
        request_id=headers.get("x-request-id", ""),
        retry_after_s=_retry_after(headers.get("retry-after", "")),
    )


def _retry_after(text: str) -> float | None:
    """Seconds or a date, as HTTP allows; at most an hour is believed."""
    if re.fullmatch(r"\d{1,9}", text.strip(), re.ASCII):
        return min(float(text), 3600)
    try:
        seconds = (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        return None
    return min(max(seconds, 0), 3600)
