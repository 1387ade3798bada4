"""The few reads that most requests are made of, straight on the driver, with an exact cache.

`PRAGMA data_version` changes when any other connection, of this process or another, has
committed. Asking costs a microsecond or two and is done once in every request: what the cache
answers is what the rows said while the request was being answered.
"""

import sqlite3
import threading
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, TypeVar, cast

T = TypeVar("T")
Row = tuple[Any, ...]
CACHED = 10_000  # entries
CACHED_BYTES = 128 << 20  # of documents; one has about 10 KB, but may have megabytes


class HotReader:
    """A read-only connection and what it read since the last write of anybody."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection = self._connect()
        self._version = -1
        self._known: dict[Hashable, Any] = {}
        self._bytes = 0

    def cached(self, key: Hashable, load: Callable[["HotReader"], T]) -> T:
        """What `load` gives for `key`, from memory if nobody wrote since. Raises what it raises."""
        with self._lock:
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
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
        return cast(Row | None, self._connection.execute(statement, values).fetchone())

    def rows(self, statement: str, *values: str | int) -> list[Row]:
        """All rows of a prepared statement. Only from inside `load`."""
        return self._connection.execute(statement, values).fetchall()

    def close(self) -> None:
        self._connection.close()

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

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"file:{self._path}?mode=ro",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=10,
        )
        connection.execute("PRAGMA query_only=ON")
        return connection
