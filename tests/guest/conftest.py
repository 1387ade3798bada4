from collections.abc import Iterator
from pathlib import Path

import pytest

from rehost.providers.qemu import QemuProvider
from tests.compat.conftest import Service
from tests.guest.source import HOST
from tests.ports import free_port

pytest.register_assert_rewrite("tests.guest.migration")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """On this machine's loopback, which guests reach by the name HOST; its targets end with it."""
    port = free_port()
    public = ("--public-url", f"http://{HOST}:{port}", "--poll-interval", "2")
    # Not KVM: a test must not depend on the CPU of whoever runs it.
    service = Service(tmp_path / "data", port, (*public, "--qemu-acceleration", "tcg"))
    service.start()
    yield service
    service.stop()
    targets = service.data / "targets"
    provider = QemuProvider(targets)
    for server in targets.iterdir() if targets.is_dir() else ():
        provider.delete(server.name)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Of a source machine; of what it leaves, its disks are large."""
    folder = tmp_path / "source"
    folder.mkdir()
    yield folder
    for image in folder.glob("*.qcow2"):
        image.unlink()
