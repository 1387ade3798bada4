from collections.abc import Callable
from pathlib import Path

import pytest

from rehost.providers.null import NullProvider
from tests.conformance.provider import ProviderContract


class TestNullProvider(ProviderContract):
    @pytest.fixture
    def new_provider(self, tmp_path: Path) -> Callable[[], NullProvider]:
        return lambda: NullProvider(tmp_path / "targets")
