from collections.abc import Callable
from pathlib import Path

import pytest

from rehost.providers.qemu import QemuProvider
from tests.conformance.provider import DisksContract


class TestQemuDisks(DisksContract):
    @pytest.fixture
    def new_provider(self, tmp_path: Path) -> Callable[[], QemuProvider]:
        return lambda: QemuProvider(tmp_path / "targets")
