import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehost.control.store import postgresql
from rehost.control.store.database import Database
from rehost.control.store.hot import CACHED_BYTES, HotReader
from rehost.control.store.hot_postgresql import PostgresqlDoor
from rehost.control.store.hot_sqlite import SqliteDoor
from rehost.errors import DatabaseUnavailable


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


def test_a_file_that_cannot_be_read_is_said(tmp_path):
    file = tmp_path / "rehost.db"
    file.write_bytes(b"no database, but as long as one" * 100)
    reader = HotReader(SqliteDoor(file))
    with pytest.raises(DatabaseUnavailable, match="not a database"):
        reader.cached("a", lambda hot: hot.rows("SELECT name FROM sqlite_master"))
    reader.close()


def how_long(door: PostgresqlDoor) -> float:
    """Until it says that there is no database."""
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailable, match="cannot be reached"):
        door.rows("SELECT 1", ())
    return time.monotonic() - began


def test_a_server_that_says_nothing_holds_up_one_request_and_not_the_next():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        door = PostgresqlDoor(f"postgresql://rehost:x@127.0.0.1:{port}/rehost")
        assert postgresql.HOT_S <= how_long(door) < 3 * postgresql.HOT_S
        assert how_long(door) < 1


@pytest.mark.needs("postgresql")
def test_a_network_that_is_cut_is_noticed_soon(server):
    # That the kernel is told: to cut a network takes one of one's own.
    url = server.new_database()
    database = Database(url)
    with postgresql.connect(url) as hot, database.read() as db:
        theirs = db.connection.driver_connection
        assert theirs is not None
        for connection, seconds in ((hot, postgresql.HOT_S), (theirs, postgresql.BUSY_S)):
            with socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as ours:
                given = ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
                idle = ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
            assert (given, idle) == (seconds * 1000, seconds)
    database.close()
