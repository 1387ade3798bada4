"""Tokens of a real, external Keystone."""

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.compat.bodies import linux
from tests.compat.conftest import Service
from tests.compat.keystone import PASSWORD, KeystoneServer
from tests.ports import free_port


@pytest.fixture(scope="module")
def keystone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeystoneServer]:
    server = KeystoneServer(tmp_path_factory.mktemp("keystone"), free_port())
    server.start()
    server.member("mia", "shop", "member")
    server.member("rita", "shop", "reader")
    server.member("otto", "other", "member")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def service(make_service: Callable[..., Service], keystone: KeystoneServer) -> Service:
    return make_service("--keystone-url", keystone.url)


def test_members_work_readers_look_and_others_see_nothing(
    service: Service, keystone: KeystoneServer
):
    mia = keystone.token("mia", "mia", "shop")
    status, _, source = service.call("POST", "/v3/sources", linux(), X_Auth_Token=mia)
    assert status == 200, source
    path = f"/v3/sources/{source['id']}"
    assert service.call("PUT", path, {"name": "till"}, X_Auth_Token=mia)[0] == 200
    assert service.call("GET", path, X_Auth_Token=mia)[2]["name"] == "till"

    rita = keystone.token("rita", "rita", "shop")
    assert service.call("GET", path, X_Auth_Token=rita)[2]["name"] == "till"
    assert service.call("DELETE", path, X_Auth_Token=rita)[0] == 403

    otto = keystone.token("otto", "otto", "other")
    assert service.call("GET", path, X_Auth_Token=otto)[0] == 404
    assert service.call("GET", "/v3/sources", X_Auth_Token=otto)[2]["count"] == 0


def test_tokens_of_our_own_users_count_beside_them(service: Service):
    assert service.call("GET", "/v3/sources", X_Auth_Token=service.token())[0] == 200


def test_a_token_for_no_project_is_refused(service: Service, keystone: KeystoneServer):
    unscoped = keystone.token("admin", PASSWORD, None)
    status, _, answer = service.call("GET", "/v3/sources", X_Auth_Token=unscoped)
    assert (status, answer["error_code"]) == (401, "APIGW.0301")


@pytest.mark.parametrize("token", ["x", "gAAAAABrBZkO-garbage", "\u00e9", "a" * 5000])
def test_a_token_that_keystone_does_not_know_is_refused(service: Service, token: str):
    status, _, answer = service.call("GET", "/v3/sources", X_Auth_Token=token)
    assert (status, answer["error_code"]) == (401, "APIGW.0301")


def test_a_keystone_that_hangs_costs_our_own_users_nothing(make_service: Callable[..., Service]):
    with socket.create_server(("127.0.0.1", 0), backlog=100) as hanging:
        service = make_service("--keystone-url", f"http://127.0.0.1:{hanging.getsockname()[1]}/v3")
        token = service.token()

        def ask(number: int) -> tuple[int, Any]:
            status, _, answer = service.call("GET", "/v3/sources", X_Auth_Token=f"t{number}")
            return status, answer

        with ThreadPoolExecutor(40) as crowd:
            asking = [crowd.submit(ask, number) for number in range(40)]
            until = time.monotonic() + 4
            while time.monotonic() < until:
                began = time.monotonic()
                assert service.call("GET", "/v3/sources", X_Auth_Token=token)[0] == 200
                assert time.monotonic() - began < 4
        answers = [one.result() for one in asking]
    assert {(status, answer["error_code"]) for status, answer in answers} == {(503, "REHOST.5030")}


def test_a_keystone_that_is_away_is_said_and_our_own_users_go_on(
    make_service: Callable[..., Service],
):
    service = make_service("--keystone-url", f"http://127.0.0.1:{free_port()}/v3")
    status, _, answer = service.call("GET", "/v3/sources", X_Auth_Token="gAAAA")
    assert (status, answer["error_code"]) == (503, "REHOST.5030")
    assert service.call("GET", "/v3/sources", X_Auth_Token=service.token())[0] == 200
