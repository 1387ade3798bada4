"""PostgreSQL for the hot reads."""

import itertools
import time
from typing import Any

import psycopg

from rehost.control.store import postgresql
from rehost.errors import DatabaseUnavailable

PAUSE = 4  # times as long as the try took


class PostgresqlDoor:
    """A read-only connection, made when it is needed and again when it was lost.

    The server does not tell whether somebody wrote. So each request counts as a new version, and
    reads what it needs.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._versions = itertools.count()
        self._next_try = 0.0

    def version(self) -> int:
        return next(self._versions)

    def rows(self, statement: str, values: tuple[str | int, ...]) -> list[tuple[Any, ...]]:
        """Raises DatabaseUnavailable."""
        statement = statement.replace("?", "%s")
        try:
            if self._connection is not None:
                try:
                    return self._connection.execute(statement, values).fetchall()
                except psycopg.OperationalError:
                    if not self._connection.closed:
                        raise
            # None yet, or the server was restarted; a read may be repeated.
            self._connection = self._connect()
            return self._connection.execute(statement, values).fetchall()
        except psycopg.OperationalError as e:
            raise DatabaseUnavailable(postgresql.reason(e)) from e

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """After a try that took long, the next is not made at once: it holds up all requests."""
        began = time.monotonic()
        if began < self._next_try:
            raise DatabaseUnavailable(postgresql.UNREACHABLE)
        try:
            return postgresql.connect(self._url)
        except psycopg.OperationalError:
            now = time.monotonic()
            self._next_try = now + PAUSE * (now - began)
            raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
