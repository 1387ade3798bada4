"""Real receiver processes, of a target that is one small file."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehost.contract.transfer import ReceivedDisk
from rehost.control import authority
from rehost.control.receivers import Receivers

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
    while receivers.port(TASK, disks) is None:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_no_key_is_left_once_the_receiver_has_read_it(tmp_path, receivers, disks):
    assert receivers.port(TASK, disks) is None
    [key] = keys(tmp_path)
    assert key.stat().st_mode & 0o077 == 0
    listen(receivers, disks)
    assert keys(tmp_path) == []


def test_no_key_is_left_of_one_that_never_listened(tmp_path, receivers, disks):
    receivers.port(TASK, disks)
    receivers.close()
    assert keys(tmp_path) == []


def test_no_key_is_left_of_a_service_that_was_killed(tmp_path, receivers, disks):
    receivers.port(TASK, disks)
    [key] = keys(tmp_path)
    content = key.read_bytes()
    receivers.close()
    key.write_bytes(content)
    assert receivers.stop(TASK)
    assert keys(tmp_path) == []
