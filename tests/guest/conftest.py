from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compat.conftest import Service
from tests.guest.source import HOST
from tests.ports import free_port


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """On this machine's loopback, which guests reach by the name HOST."""
    port = free_port()
    public = ("--public-url", f"http://{HOST}:{port}", "--poll-interval", "2")
    service = Service(tmp_path / "data", port, public)
    service.start()
    yield service
    service.stop()
