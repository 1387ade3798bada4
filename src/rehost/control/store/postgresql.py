"""PostgreSQL: how it is reached, what keeps writers apart, and what its refusals mean."""

from typing import Any

import psycopg
import sqlalchemy as sa

# Any number that nothing else in the database uses; the same in all versions of the service.
WRITERS = 0x7265686F7374
BUSY_S = 10
HOT_S = 2  # the shortest that libpq takes; the event loop waits for it
UNREACHABLE = (
    "PostgreSQL cannot be reached; see that it runs, and that host and port in the option "
    "database are right"
)
REFUSALS = (
    ("authentication failed", "PostgreSQL refuses the user or password of the option database"),
    ("no password supplied", "PostgreSQL wants a password; give it in the option database"),
    ("does not exist", "PostgreSQL has no such database or user; make it, with createdb"),
)


def open_engine(url: sa.URL, *, max_overflow: int) -> sa.Engine:
    engine = sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        # Writers read what was committed before they got the lock; an older snapshot would lie.
        isolation_level="READ COMMITTED",
        connect_args=_patience(BUSY_S) | {"options": f"-c lock_timeout={BUSY_S}s"},
        pool_pre_ping=True,  # the server may have been restarted
        pool_timeout=BUSY_S,
        max_overflow=max_overflow,
    )
    sa.event.listen(engine, "begin", _begin)
    return engine


def connect(url: str) -> "psycopg.Connection[tuple[Any, ...]]":
    """A connection for single reads, none of which may hold up its caller for long."""
    of_libpq = sa.make_url(url).set(drivername="postgresql+psycopg")
    words, options = of_libpq.get_dialect()().create_connect_args(of_libpq)
    given = {**options, **_patience(HOT_S), "options": f"-c statement_timeout={HOT_S}s"}
    connection = psycopg.connect(*words, **given, autocommit=True, prepare_threshold=0)
    connection.read_only = True
    return connection


def reason(error: psycopg.Error) -> str:
    """What to tell anybody who asks: no addresses or names, which libpq's own texts have."""
    if error.diag.message_primary:
        return error.diag.message_primary
    return next((said for part, said in REFUSALS if part in str(error)), UNREACHABLE)


def _patience(seconds: int) -> dict[str, int]:
    """So long is waited for a server, or a network, that says nothing; TCP's own is a quarter of
    an hour."""
    return {
        "connect_timeout": seconds,
        "tcp_user_timeout": seconds * 1000,
        "keepalives_idle": seconds,
        "keepalives_interval": 1,
    }


def _begin(connection: sa.Connection) -> None:
    if connection.get_execution_options().get("rehost_write", False):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS})")
