from collections.abc import Iterator
from pathlib import Path

import pytest

from rehost.control.store.hot import CACHED_BYTES, HotReader
from rehost.control.store.hot_sqlite import SqliteDoor


@pytest.fixture
def hot(tmp_path: Path) -> Iterator[HotReader]:
    (tmp_path / "rehost.db").touch()
    made = HotReader(SqliteDoor(tmp_path / "rehost.db"))
    yield made
    made.close()


class Counted:
    """Loads a value, and counts how often."""

    def __init__(self, value: str | None) -> None:
        self.value = value
        self.times = 0

    def __call__(self, _: HotReader) -> str | None:
        self.times += 1
        return self.value


def test_what_is_there_is_read_once(hot):
    document = Counted("document")
    assert [hot.also("a", document) for _ in range(3)] == ["document"] * 3
    assert document.times == 1


def test_what_is_not_there_takes_no_memory(hot):
    nothing = Counted(None)
    assert [hot.also("x" * 60_000, nothing) for _ in range(3)] == [None] * 3
    assert nothing.times == 3


def test_documents_take_memory_within_a_bound(hot):
    first, others = Counted("first"), Counted("other")
    half = CACHED_BYTES // 2
    hot.also("first", first, size=lambda _: half)
    hot.also("second", others, size=lambda _: half)
    hot.also("first", first, size=lambda _: half)
    assert (first.times, others.times) == (1, 1)
    hot.also("third", others, size=lambda _: half)
    hot.also("first", first, size=lambda _: half)
    assert (first.times, others.times) == (2, 2)
