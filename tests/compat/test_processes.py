"""Several processes on one database, and processes that die: nothing stale, nothing lost."""

import signal
import socket
import threading
import time
from collections.abc import Callable

import pytest

from tests.compat.bodies import identified, linux
from tests.compat.conftest import Service


@pytest.fixture(scope="module")
def two(make_service: Callable[..., Service]) -> Service:
    return make_service("--workers", "2")


def test_both_processes_answer_with_the_last_write(two: Service):
    token = two.token()
    _, _, source = two.call("POST", "/v3/sources", linux(), X_Auth_Token=token)
    path = f"/v3/sources/{source['id']}"
    for turn in range(60):
        name = f"turn-{turn}"
        assert two.call("PUT", path, {"name": name}, X_Auth_Token=token)[0] == 200
        # New connections each time: the kernel spreads them over the processes.
        shown = [two.call("GET", path, X_Auth_Token=token)[2]["name"] for _ in range(6)]
        assert shown == [name] * 6


def test_a_revoked_token_is_refused_by_both_processes(two: Service):
    token = two.token()
    assert all(two.call("GET", "/v3/sources", X_Auth_Token=token)[0] == 200 for _ in range(8))
    path = "/v3/auth/tokens"
    assert two.call("DELETE", path, X_Auth_Token=token, X_Subject_Token=token)[0] == 204
    assert all(two.call("GET", "/v3/sources", X_Auth_Token=token)[0] == 401 for _ in range(8))


def test_one_machine_registering_many_times_at_once_is_one_source(two: Service):
    token = two.token(project="crowd")
    body = linux(facts=identified("disk-crowd"))
    ids: list[str] = []

    def register() -> None:
        status, _, answer = two.call("POST", "/v3/sources", body, X_Auth_Token=token)
        assert status == 200, answer
        ids.append(answer["id"])

    threads = [threading.Thread(target=register) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 12
    assert len(set(ids)) == 1


def test_what_was_acknowledged_survives_a_kill(make_service: Callable[..., Service]):
    service = make_service()
    token = service.token()
    acknowledged: list[str] = []

    def storm() -> None:
        while True:
            try:
                status, _, answer = service.call("POST", "/v3/sources", linux(), X_Auth_Token=token)
            except OSError:
                return
            assert status == 200
            acknowledged.append(answer["id"])

    threads = [threading.Thread(target=storm) for _ in range(4)]
    for thread in threads:
        thread.start()
    while len(acknowledged) < 40:
        threads[0].join(0.01)
    service.kill()
    for thread in threads:
        thread.join()
    service.start()

    for source_id in acknowledged:
        assert service.call("GET", f"/v3/sources/{source_id}", X_Auth_Token=token)[0] == 200


def test_service_stops_on_sigterm_without_an_error(make_service: Callable[..., Service]):
    service = make_service()
    assert service.process is not None
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(20) == 0
    assert "ERROR" not in service.log.read_text()


def test_workers_end_with_the_service_even_if_it_is_killed(make_service: Callable[..., Service]):
    service = make_service("--workers", "2")
    assert service.process is not None
    service.process.kill()
    service.process.wait(20)
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", service.port), timeout=1).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.1)
    service.kill()
    pytest.fail("somebody still listens")
