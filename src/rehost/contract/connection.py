"""One kept HTTP(S) connection to the service: bytes out, bytes in, failures in words."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from ssl import SSLCertVerificationError, SSLError, SSLSocket
from typing import NamedTuple

from rehost.contract import trust as trusts
from rehost.contract.trust import Trust
from rehost.errors import BadAnswer, Error, ServiceNotTrusted, ServiceUnreachable

ANSWER_LIMIT = 64 * 1024 * 1024  # bytes; a page of 200 large sources is a few MB

# Sent again if the kept connection turns out to be closed: to repeat these changes nothing.
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """In seconds: for a connection to be made, and for a whole answer once it is."""

    connect_s: float = 10
    answer_s: float = 60


class RawAnswer(NamedTuple):
    status: int
    headers: Mapping[str, str]  # names in lower case
    content: bytes


class Connection:
    """Not thread-safe. Proxies of the environment are not used: the service is asked directly."""

    def __init__(self, url: str, trust: Trust, timeouts: Timeouts) -> None:
        """Raises BadConfiguration, for plain http to another machine too. Sends nothing yet."""
        self.url = url
        self.parts = trusts.check_url(url, trust)
        self._trust = trust
        self._timeouts = timeouts
        self._tls = trusts.context(trust) if self.parts.scheme == "https" else None
        self._http: HTTPConnection | None = None

    def exchange(
        self, method: str, target: str, headers: Mapping[str, str], content: bytes
    ) -> RawAnswer:
        """Raises ServiceUnreachable, ServiceNotTrusted, or BadAnswer for one that is too large."""
        kept = self._http is not None
        if kept and method not in _REPEATABLE:
            # The service may have closed it by now, and then nobody could say whether a request
            # that must not be repeated was carried out.
            self.close()
            kept = False
        try:
            return self._exchange_once(method, target, headers, content)
        except ServiceUnreachable:
            if not kept:
                raise
        return self._exchange_once(method, target, headers, content)

    def close(self) -> None:
        if self._http is not None:
            self._http.close()
            self._http = None

    def _exchange_once(
        self, method: str, target: str, headers: Mapping[str, str], content: bytes
    ) -> RawAnswer:
        deadline = time.monotonic() + self._timeouts.connect_s + self._timeouts.answer_s
        done = False
        try:
            if self._http is None:
                self._http = self._connect()
            self._http.request(method, target, content, dict(headers))
            with self._http.getresponse() as response:
                answer = RawAnswer(
                    response.status,
                    {name.lower(): value for name, value in response.getheaders()},
                    _read(response, deadline),
                )
            done = not response.will_close
        except (OSError, HTTPException) as e:
            raise self._explain(e) from e
        finally:
            # Else the rest of this answer could be taken for that of the next request.
            if not done:
                self.close()
        return answer

    def _connect(self) -> HTTPConnection:
        host, port, timeout = str(self.parts.hostname), self.parts.port, self._timeouts.connect_s
        http = (
            HTTPConnection(host, port, timeout=timeout)
            if self._tls is None
            else HTTPSConnection(host, port, timeout=timeout, context=self._tls)
        )
        http.connect()
        if isinstance(http.sock, SSLSocket):
            trusts.check_peer(http.sock, self._trust)
        http.sock.settimeout(self._timeouts.answer_s)
        return http

    def _explain(self, e: Exception) -> Error:
        if isinstance(e, SSLCertVerificationError):
            return ServiceNotTrusted(
                f"the certificate of {self.url} is not trusted: {e.verify_message}; give the "
                "authority with --ca-file or the certificate's digest with --pin"
            )
        if isinstance(e, SSLError) and "WRONG_VERSION" in str(e.reason):
            advice = "does it speak plain http?"
        elif isinstance(e, HTTPException):
            advice = "is it https, or not a Rehost service at all?"
        elif isinstance(e, TimeoutError):
            advice = "check the address and the firewalls on the way"
        else:
            advice = "check the URL, and that `rehost serve` runs there"
        return ServiceUnreachable(
            f"no answer from {self.url}: {str(e) or type(e).__name__}; {advice}"
        )


def _read(response: HTTPResponse, deadline: float) -> bytes:
    """Read the whole answer, bounded in size and time."""
    content = bytearray()
    while chunk := response.read1(1 << 16):
        content += chunk
        if len(content) > ANSWER_LIMIT:
            raise BadAnswer(f"the service's answer is larger than {ANSWER_LIMIT} bytes")
        if time.monotonic() > deadline:
            raise TimeoutError("the answer takes too long")
    if response.length:
        raise HTTPException(f"the answer ended {response.length} bytes early")
    return bytes(content)
