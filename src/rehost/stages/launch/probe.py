"""Whether one of a server's services answers, asked from its provider's host."""

import http.client
import re
import socket
import ssl
from dataclasses import dataclass
from enum import StrEnum

from rehost.provider_errors import BadProbe
from rehost.providers.base import CanReach

TIME_LIMIT_S = 2.0
BANNER = b"SSH-"
LONGEST = 4096  # bytes that may come before the banner
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
    host, port = provider.reach(server_id, probe.port)
    try:
        if probe.kind is Kind.SSH:
            return _speaks_ssh(host, port)
        return _serves(host, port, probe)
    except (OSError, http.client.HTTPException, ValueError):
        return False


def _speaks_ssh(host: str, port: int) -> bool:
    """RFC 4253, 4.2: lines of other text may come before the version."""
    said = b""
    with socket.create_connection((host, port), TIME_LIMIT_S) as connection:
        while len(said) < LONGEST and (more := connection.recv(LONGEST)):
            said += more
            if any(line.startswith(BANNER) for line in said.split(b"\n")):
                return True
    return False


def _serves(host: str, port: int, probe: Probe) -> bool:
    if probe.kind is Kind.HTTP:
        connection = http.client.HTTPConnection(host, port, timeout=TIME_LIMIT_S)
    else:
        anybody = ssl.create_default_context()
        anybody.check_hostname = False
        anybody.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(host, port, timeout=TIME_LIMIT_S, context=anybody)
    try:
        connection.request("GET", probe.path, headers={"Host": "localhost"})
        return connection.getresponse().status < 400
    finally:
        connection.close()
