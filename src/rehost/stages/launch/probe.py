"""Whether one of a server's services answers, asked from its provider's host.

What runs in a server is not ours: whatever it says, and however slowly, a question ends in time.
"""

import re
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from rehost.provider_errors import BadProbe
from rehost.providers.base import CanReach

TIME_LIMIT_S = 3.0  # for a whole question
BANNER = b"SSH-"
STATUS = re.compile(rb"HTTP/1\.\d (\d{3})\b")
LONGEST = 4096  # bytes that an answer is looked for in
FORM = re.compile(r"(tcp|ssh|https?):(\d{1,5})(/[!-~]*)?")


class Kind(StrEnum):
    TCP = "tcp"  # it accepts connections
    SSH = "ssh"  # it says which version of SSH it speaks
    HTTP = "http"  # it answers a GET with a status below 400
    HTTPS = "https"  # so, whoever signed its certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    kind: Kind
    port: int
    path: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.port}{self.path}"


SSH = Probe(kind=Kind.SSH, port=22)


def parse(text: str) -> Probe:
    """A probe from its notation: tcp:5432, ssh:22, http:8080/health. Raises BadProbe."""
    found = FORM.fullmatch(text)
    if not found or not 0 < int(found[2]) < 65536:
        raise BadProbe(text)
    kind = Kind(found[1])
    is_web = kind in (Kind.HTTP, Kind.HTTPS)
    if found[3] and not is_web:
        raise BadProbe(text)
    return Probe(kind=kind, port=int(found[2]), path=found[3] or "/" if is_web else "")


def answers(provider: CanReach, server_id: str, probe: Probe) -> bool:
    """Ask once, for a few seconds at most. Raises what `provider.reach` does."""
    if probe.kind is Kind.TCP:
        return provider.accepts(server_id, probe.port)
    way = provider.reach(server_id, probe.port)
    try:
        with _connected(way, time.monotonic() + TIME_LIMIT_S) as asked:
            if probe.kind is Kind.SSH:
                return _speaks_ssh(asked)
            if probe.kind is Kind.HTTPS:
                asked.encrypt()
            return _serves(asked, probe.path)
    except OSError:
        return False


class _Asked:
    """A connection that is there until a moment, whatever comes over it."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self.connection = connection
        self._deadline = deadline

    def encrypt(self) -> None:
        anybody = ssl.create_default_context()
        anybody.check_hostname = False
        anybody.verify_mode = ssl.CERT_NONE
        self._hurry()
        self.connection = anybody.wrap_socket(self.connection)

    def tell(self, text: str) -> None:
        self._hurry()
        self.connection.sendall(text.encode("ascii"))

    def heard(self) -> Iterator[bytes]:
        """All that has come so far, each time that more comes. Raises TimeoutError."""
        said = b""
        while len(said) < LONGEST:
            # At each piece: the limit of a socket is one for the next piece alone.
            self._hurry()
            if not (more := self.connection.recv(LONGEST)):
                return
            said += more
            yield said

    def _hurry(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.connection.settimeout(left)


@contextmanager
def _connected(way: tuple[str, int], deadline: float) -> Iterator[_Asked]:
    asked = _Asked(socket.create_connection(way, TIME_LIMIT_S), deadline)
    try:
        yield asked
    finally:
        asked.connection.close()


def _speaks_ssh(asked: _Asked) -> bool:
    """RFC 4253, 4.2: lines of other text may come before the version."""
    return any(line.startswith(BANNER) for said in asked.heard() for line in said.split(b"\n"))


def _serves(asked: _Asked, path: str) -> bool:
    asked.tell(
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    )
    for said in asked.heard():
        if found := STATUS.match(said):
            return int(found[1]) < 400
    return False
