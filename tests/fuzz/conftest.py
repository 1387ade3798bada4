from pathlib import Path

import pytest

from tests.compat.conftest import make_service, service

__all__ = ["make_service", "service"]
HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In short runs one database is enough: what is fuzzed stands before it."""
    for item in items:
        if HERE in item.path.parents and "[postgresql]" in item.name:
            item.add_marker(pytest.mark.slow)
