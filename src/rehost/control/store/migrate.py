"""Changing the schema. Apart from database.py: Alembic takes a while to import, and a service
whose database is up to date starts without it."""

from dataclasses import dataclass

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from rehost.control.store.revisions import MIGRATIONS
from rehost.errors import DatabaseTooNew


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The schema that a database has, and what this program would do to it, oldest step first."""

    current: str | None  # None: the database is empty
    newest: str
    pending: tuple[str, ...]  # "0006: roles that administrators make."


def schema(connection: sa.Connection) -> Schema:
    """Raises DatabaseTooNew."""
    current = MigrationContext.configure(connection).get_current_revision()
    steps = list(ScriptDirectory.from_config(_config()).walk_revisions())  # newest first
    known = [step.revision for step in steps]
    if current is not None and current not in known:
        raise DatabaseTooNew(current)
    missing = steps[: known.index(current)] if current is not None else steps
    return Schema(
        current=current,
        newest=known[0],
        pending=tuple(f"{step.revision}: {step.doc}" for step in reversed(missing)),
    )


def upgrade(connection: sa.Connection, revision: str = "head") -> None:
    """Raises DatabaseTooNew."""
    schema(connection)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
