"""The few reads that most requests are made of, straight on the driver, with an exact cache.

The database is asked once in every request whether somebody wrote: what the cache answers is
what the rows said while the request was being answered. Statements have "?" for their values,
whatever the database.
"""

import threading
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from rehost.control.store.hot_sqlite import SqliteDoor

T = TypeVar("T")
Row = tuple[Any, ...]
SQLITE = "sqlite:///"
CACHED = 10_000  # entries
CACHED_BYTES = 128 << 20  # of documents; one has about 10 KB, but may have megabytes


class Door(Protocol):
    """A database, for reads alone; used by one thread at a time."""

    def version(self) -> int:
        """Another number if somebody may have written since it was last asked for."""

    def rows(self, statement: str, values: tuple[str | int, ...]) -> list[Row]: ...

    def close(self) -> None: ...


def open_hot(url: str) -> "HotReader":
    """A reader of the database with this URL, which has its schema."""
    if url.startswith(SQLITE):
        return HotReader(SqliteDoor(Path(url.removeprefix(SQLITE))))
    from rehost.control.store.hot_postgresql import PostgresqlDoor

    return HotReader(PostgresqlDoor(url))


class HotReader:
    """A read-only connection and what it read since the last write of anybody."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._lock = threading.Lock()
        self._version = -1
        self._known: dict[Hashable, Any] = {}
        self._bytes = 0

    def cached(self, key: Hashable, load: Callable[["HotReader"], T]) -> T:
        """What `load` gives for `key`, from memory if nobody wrote since. Raises what it raises."""
        with self._lock:
            version = self._door.version()
            if version != self._version or len(self._known) >= CACHED:
                self._forget()
                self._version = version
            return self._get(key, load)

    def also(
        self,
        key: Hashable,
        load: Callable[["HotReader"], T],
        *,
        size: Callable[[T], int] = lambda _: 0,
    ) -> T:
        """A further read of one request, as of its first one: that asked for the version.

        `size` says how many bytes a document has.
        """
        with self._lock:
            return self._get(key, load, size)

    def row(self, statement: str, *values: str | int) -> Row | None:
        """One row of a prepared statement. Only from inside `load`."""
        return next(iter(self._door.rows(statement, values)), None)

    def rows(self, statement: str, *values: str | int) -> list[Row]:
        """All rows of a prepared statement. Only from inside `load`."""
        return self._door.rows(statement, values)

    def close(self) -> None:
        self._door.close()

    def _get(
        self,
        key: Hashable,
        load: Callable[["HotReader"], T],
        size: Callable[[T], int] = lambda _: 0,
    ) -> T:
        if key in self._known:
            return cast(T, self._known[key])
        # Read after the version: if a write comes between, the next request sees a new version.
        value = load(self)
        if value is not None:  # anybody can ask for what is not there, by names of any length
            if self._bytes + size(value) > CACHED_BYTES:
                self._forget()
            self._bytes += size(value)
            self._known[key] = value
        return value

    def _forget(self) -> None:
        self._known.clear()
        self._bytes = 0
