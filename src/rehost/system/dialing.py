"""Connections to other machines."""

import socket
from typing import Any


def dial(host: str, port: int, timeout_s: float, *, ipv6: bool) -> socket.socket:
    """A TCP connection, by the first address of the host that takes it; `timeout_s` is for each.

    With `ipv6` by IPv6 alone, else by either. Raises OSError.
    """
    wanted = socket.AF_INET6 if ipv6 else socket.AF_UNSPEC
    failure = OSError("it has no address")
    for found in socket.getaddrinfo(host, port, wanted, socket.SOCK_STREAM):
        family, kind, protocol, _, address = found
        try:
            return _connected(socket.socket(family, kind, protocol), address, timeout_s)
        except OSError as e:
            failure = e
    raise failure


def _connected(sock: socket.socket, address: Any, timeout_s: float) -> socket.socket:  # noqa: ANN401
    try:
        sock.settimeout(timeout_s)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock
