"""SQLite for the hot reads."""

import sqlite3
from pathlib import Path
from typing import Any

from rehost.errors import DatabaseUnavailable


class SqliteDoor:
    """A read-only connection.

    `PRAGMA data_version` changes when any other connection, of this process or another, has
    committed. Asking costs a microsecond or two.
    """

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(
            f"file:{path}?mode=ro",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=10,
        )
        self._connection.execute("PRAGMA query_only=ON")

    def version(self) -> int:
        """Raises DatabaseUnavailable."""
        try:  # not by `rows`: every request asks
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.DatabaseError as e:
            raise DatabaseUnavailable(str(e)) from e

    def rows(self, statement: str, values: tuple[str | int, ...]) -> list[tuple[Any, ...]]:
        """Raises DatabaseUnavailable."""
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.DatabaseError as e:
            # As in database.py: a disk that fails is no fault of the request.
            raise DatabaseUnavailable(str(e)) from e

    def close(self) -> None:
        self._connection.close()
