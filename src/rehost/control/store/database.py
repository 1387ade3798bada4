"""The database: connections, transactions, and the version of its schema."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from rehost.errors import DatabaseTooNew, DatabaseUnavailable

MIGRATIONS = Path(__file__).parent / "migrations"


class Database:
    """One database of one service. Safe to use from several threads."""

    def __init__(self, url: str) -> None:
        self.engine = sa.create_engine(url)
        sa.event.listen(self.engine, "connect", _tune)
        sa.event.listen(self.engine, "begin", _begin)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that only reads. Raises DatabaseUnavailable."""
        with _translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that holds the write lock from its start, so what it reads stays true.

        Raises DatabaseUnavailable; then nothing of it was written.
        """
        with (
            _translated(),
            self.engine.connect().execution_options(rehost_write=True) as connection,
            connection.begin(),
        ):
            yield connection

    def upgrade(self) -> None:
        """Bring the schema to this program's version; safe to repeat, refuses a newer schema."""
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        script = ScriptDirectory.from_config(config)
        with self.write() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
            if current is not None and current not in {r.revision for r in script.walk_revisions()}:
                raise DatabaseTooNew(current)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def close(self) -> None:
        self.engine.dispose()


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
        raise DatabaseUnavailable(str(e.orig)) from e


def _tune(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own type
    connection.isolation_level = None  # _begin says BEGIN itself
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("rehost_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
