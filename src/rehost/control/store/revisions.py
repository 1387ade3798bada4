"""Which schema a database has and which one this program wants, as cheaply as can be told."""

from pathlib import Path

import sqlalchemy as sa

MIGRATIONS = Path(__file__).parent / "migrations"


def current(connection: sa.Connection) -> str | None:
    """The revision that the database says it has; None if it is empty."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return None if found is None else str(found)


def newest() -> str:
    """The last of this program's migrations: their files' names begin with their numbers."""
    return max(file.name.split("_", 1)[0] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))
