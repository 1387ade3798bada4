"""The database: connections, transactions, and the version of its schema."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from rehost.control.store import revisions
from rehost.errors import BadConfiguration, DatabaseUnavailable

if TYPE_CHECKING:
    from rehost.control.store.migrate import Schema

# Connections at once, beside five: one for each thread of a process. Those that wait for the one
# writer hold one, too, and must not keep others from reading.
OVERFLOW = 35
FORMS = "give sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"


class Database:
    """One database of one service: SQLite or PostgreSQL. Safe to use from several threads.

    Raises BadConfiguration for a URL that is neither's.
    """

    def __init__(self, url: str) -> None:
        self.engine, self._reading = _open(url)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that only reads. Raises DatabaseUnavailable."""
        with (
            _translated(),
            self.engine.connect().execution_options(**self._reading) as connection,
        ):
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that holds the write lock from its start, so what it reads stays true.

        Raises DatabaseUnavailable; then nothing of it was written, unless the connection to the
        server broke just when it was committed.
        """
        with (
            _translated(),
            self.engine.connect().execution_options(rehost_write=True) as connection,
            connection.begin(),
        ):
            yield connection

    def upgrade(self) -> None:
        """Bring the schema to this program's version; safe to repeat. Raises DatabaseTooNew."""
        with self.write() as connection:
            if revisions.current(connection) == revisions.newest():
                return
            from rehost.control.store import migrate

            migrate.upgrade(connection)

    def schema(self) -> "Schema":
        """What `upgrade` would do. Raises DatabaseTooNew."""
        from rehost.control.store import migrate

        with self.read() as connection:
            return migrate.schema(connection)

    def close(self) -> None:
        self.engine.dispose()


def _open(url: str) -> tuple[sa.Engine, dict[str, Any]]:
    """The engine, and the options of a connection that only reads."""
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError) as e:
        raise BadConfiguration(f"option database: not a URL; {FORMS}") from e
    if parsed.drivername == "sqlite":
        engine = sa.create_engine(parsed, max_overflow=OVERFLOW)
        sa.event.listen(engine, "connect", _tune)
        sa.event.listen(engine, "begin", _begin)
        return engine, {}
    if parsed.drivername == "postgresql":
        from rehost.control.store import postgresql

        # One state of all tables, as SQLite's transactions see.
        reading = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        return postgresql.open_engine(parsed, max_overflow=OVERFLOW), reading
    raise BadConfiguration(f"option database: {parsed.drivername} is not supported; {FORMS}")


@contextmanager
def _translated() -> Iterator[None]:
    """What the database refuses for reasons of its own is no fault of the request."""
    try:
        yield
    except sa.exc.DatabaseError as e:
        # Not its subclasses that tell of a wrong statement: SQLite says the plain one of a file
        # that is no database.
        if type(e) not in (sa.exc.OperationalError, sa.exc.DatabaseError):
            raise
        raise DatabaseUnavailable(_reason(e)) from e
    except sa.exc.TimeoutError as e:
        raise DatabaseUnavailable("all connections to it are in use") from e


def _reason(e: sa.exc.DatabaseError) -> str:
    if isinstance(e.orig, sqlite3.Error):
        return str(e.orig)
    import psycopg

    from rehost.control.store import postgresql

    return postgresql.reason(e.orig) if isinstance(e.orig, psycopg.Error) else str(e.orig)


def _tune(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own type
    connection.isolation_level = None  # _begin says BEGIN itself
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("rehost_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
