import socket

import pytest

from rehost.system.dialing import dial

NAME = "rehost.example"


@pytest.fixture
def port(monkeypatch):
    """Of a server at 127.0.0.1 and ::1, which a name stands for."""
    known = socket.getaddrinfo

    def resolve(host, port, family=0, kind=0):
        hosts = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
        wanted = [hosts[f] for f in hosts if family in (f, 0)] if host == NAME else [host]
        return [found for each in wanted for found in known(each, port, family, kind)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
        with socket.create_server(("::1", port), family=socket.AF_INET6):
            yield port


@pytest.mark.needs("ipv6")
@pytest.mark.parametrize(("ipv6", "address"), [(False, "127.0.0.1"), (True, "::1")])
def test_a_name_of_both_kinds_is_reached_as_is_wanted(port, ipv6, address):
    with dial(NAME, port, 5, ipv6=ipv6) as sock:
        assert sock.getpeername()[0] == address


def test_an_address_that_does_not_take_it_is_followed_by_the_next(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and does not listen
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", s.getsockname()) for s in (closed, server)
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
        with dial(NAME, 1, 5, ipv6=False) as sock:
            assert sock.getpeername() == server.getsockname()
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found[:1])
        with pytest.raises(ConnectionRefusedError):
            dial(NAME, 1, 5, ipv6=False)
