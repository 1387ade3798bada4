"""Real receiver processes, of a target that is one small file."""

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rehost.contract.transfer import ReceivedDisk
from rehost.control import authority
from rehost.control.receivers import TRIES, Receivers
from rehost.stream_errors import NoPortFree

PATIENCE_S = 30
TASK = "t1"


@pytest.fixture
def receivers(tmp_path: Path) -> Iterator[Receivers]:
    receivers = Receivers(tmp_path / "receivers", authority.load(tmp_path), host="127.0.0.1")
    yield receivers
    receivers.close()


@pytest.fixture
def disks(tmp_path: Path) -> tuple[ReceivedDisk, ...]:
    path = tmp_path / "disk"
    path.write_bytes(bytes(1 << 20))
    return (ReceivedDisk(id=0, name="/dev/vda", size=1 << 20, path=path),)


def keys(tmp_path: Path) -> list[Path]:
    """Files that a private key is in."""
    files = [file for file in (tmp_path / "receivers").rglob("*") if file.is_file()]
    return [file for file in files if b"PRIVATE KEY" in file.read_bytes()]


def listen(receivers: Receivers, disks: tuple[ReceivedDisk, ...]) -> None:
    until = time.monotonic() + PATIENCE_S
    while receivers.port(TASK, 1, disks) is None:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_no_key_is_left_once_the_receiver_has_read_it(tmp_path, receivers, disks):
    assert receivers.port(TASK, 1, disks) is None
    [key] = keys(tmp_path)
    assert key.stat().st_mode & 0o077 == 0
    listen(receivers, disks)
    assert keys(tmp_path) == []


def test_no_key_is_left_of_one_that_never_listened(tmp_path, receivers, disks):
    receivers.port(TASK, 1, disks)
    receivers.close()
    assert keys(tmp_path) == []


def test_no_key_is_left_of_a_service_that_was_killed(tmp_path, receivers, disks):
    receivers.port(TASK, 1, disks)
    [key] = keys(tmp_path)
    content = key.read_bytes()
    receivers.close()
    key.write_bytes(content)
    assert receivers.stop(TASK)
    assert keys(tmp_path) == []


def test_a_receiver_of_an_earlier_run_ends_first(receivers, disks):
    first = port_of(receivers, TASK, disks)
    assert receivers.port(TASK, 2, disks) is None
    until = time.monotonic() + PATIENCE_S
    while receivers.port(TASK, 2, disks) is None:
        assert time.monotonic() < until
        time.sleep(0.05)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", first), timeout=5)


def test_receivers_share_a_range_of_ports_and_wait_for_a_free_one(tmp_path, disks):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        first = taken.getsockname()[1]
        ports = range(first, first + 2)
        receivers = Receivers(
            tmp_path / "receivers", authority.load(tmp_path), host="127.0.0.1", ports=ports
        )
        try:
            assert port_of(receivers, "one", disks) == first + 1
            other = tmp_path / "other"
            other.write_bytes(bytes(1 << 20))
            disk = (replace(disks[0], path=other),)
            for _ in range(TRIES + 1):  # waiting is no failure
                with pytest.raises(NoPortFree, match=str(first)):
                    port_of(receivers, "two", disk)
            taken.close()
            assert port_of(receivers, "two", disk) == first
        finally:
            receivers.close()


def port_of(receivers: Receivers, task_id: str, disks: tuple[ReceivedDisk, ...]) -> int:
    until = time.monotonic() + PATIENCE_S
    while (port := receivers.port(task_id, 1, disks)) is None:
        assert time.monotonic() < until
        time.sleep(0.05)
    return port
