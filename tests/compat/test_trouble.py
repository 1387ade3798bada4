"""What goes wrong around the service, and what it says then."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rehost.system.claims import claim
from tests.compat.bodies import linux
from tests.compat.conftest import Service
from tests.ports import free_port


def serve(*options: str, code: int = 1) -> str:
    """The one line that a service says which cannot start."""
    done = subprocess.run(
        [sys.executable, "-m", "rehost", "serve", *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    return line


def test_port_in_use(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = serve("--data", str(tmp_path / "data"), "--port", str(port))
    assert f"port {port}: Address already in use" in said


def test_two_that_start_at_the_same_moment(tmp_path):
    port = free_port()
    other = claim(f"serve/127.0.0.1/{port}")  # it has looked at the port, and does not listen yet
    assert other is not None
    with other:
        said = serve("--data", str(tmp_path / "data"), "--port", str(port))
    assert f"127.0.0.1 port {port}" in said


def test_address_of_another_machine(tmp_path):
    said = serve("--data", str(tmp_path / "data"), "--host", "192.0.2.77", "--insecure-http")
    assert "192.0.2.77" in said


def test_data_folder_that_is_a_file(tmp_path):
    (tmp_path / "data").touch()
    assert str(tmp_path / "data") in serve("--data", str(tmp_path / "data"))


def test_database_that_is_none(tmp_path):
    (tmp_path / "rehost.db").write_bytes(b"not a database, but long enough" * 100)
    assert "not a database" in serve("--data", str(tmp_path), code=5)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1200k", "tmpfs", tmp_path], check=True)
    yield tmp_path
    subprocess.run(["umount", "--lazy", tmp_path], check=True)


@pytest.mark.needs("root", "mount")
def test_full_disk_is_said_loses_nothing_and_heals(small_disk: Path):
    service = Service(small_disk / "data", free_port())
    service.start()
    try:
        token = service.token()
        stored: list[str] = []
        while True:
            status, _, answer = service.call("POST", "/v3/sources", linux(), X_Auth_Token=token)
            if status != 200:
                break
            stored.append(answer["id"])
        assert (status, answer["error_code"]) == (503, "REHOST.5031")
        assert "full" in answer["error_msg"]
        for source_id in stored:
            path = f"/v3/sources/{source_id}"
            assert service.call("GET", path, X_Auth_Token=token)[0] == 200

        subprocess.run(["mount", "-o", "remount,size=8m", small_disk], check=True)
        assert service.call("POST", "/v3/sources", linux(), X_Auth_Token=token)[0] == 200
        listed = service.call("GET", "/v3/sources", X_Auth_Token=token)[2]
        assert listed["count"] == len(stored) + 1
    finally:
        service.stop()


def test_writers_wait_for_one_that_takes_long(service: Service):
    token = service.token()
    with service.house() as opened, opened.database.write():
        status: list[int] = []
        waiting = threading.Thread(
            target=lambda: status.append(
                service.call("POST", "/v3/sources", linux(), X_Auth_Token=token)[0]
            )
        )
        waiting.start()
        waiting.join(1.5)
        assert status == []
        # Reads do not wait.
        assert service.call("GET", "/v3/sources?limit=1", X_Auth_Token=token)[0] == 200
    waiting.join(20)
    assert status == [200]


def log_in(service: Service, number: int) -> str:
    """As nobody, from an address of its own; what the service says."""
    user = {"name": f"nobody-{number}", "domain": {"name": "default"}, "password": "x" * 8}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
    own = (f"127.0.0.{2 + number}", 0)
    with contextlib.closing(
        http.client.HTTPConnection("127.0.0.1", service.port, timeout=60, source_address=own)
    ) as connection:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/v3/auth/tokens", json.dumps(body), headers)
        return str(json.loads(connection.getresponse().read())["error_msg"])


def test_a_crowd_of_log_ins_keeps_nobody_else_from_writing(service: Service):
    token = service.token()
    with ThreadPoolExecutor(100) as crowd:
        trying = [crowd.submit(log_in, service, number) for number in range(100)]
        status, _, _ = service.call("POST", "/v3/sources", linux(), X_Auth_Token=token)
    assert status == 200
    said = [one.result() for one in trying]
    assert any("many log-ins at once" in text for text in said)


def test_stops_while_its_processes_are_still_starting(tmp_path):
    words = ["-m", "tests.compat.slow_application", str(tmp_path), str(free_port())]
    with subprocess.Popen(
        [sys.executable, *words], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"starting\n"
            process.terminate()
            process.wait(30)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_serves_at_a_name(tmp_path):
    service = Service(tmp_path / "data", free_port(), ("--host", "localhost"))
    service.start()
    service.stop()


def test_database_is_for_its_owner_alone_in_a_folder_that_is_not(tmp_path):
    tmp_path.chmod(0o755)
    service = Service(tmp_path, free_port())
    service.rehost("user", "create", "ada")
    assert {file.stat().st_mode & 0o077 for file in tmp_path.iterdir()} == {0}
