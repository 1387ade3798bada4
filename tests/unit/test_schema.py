import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from rehost.control.store import migrate, revisions, sources
from rehost.control.store.database import Database
from rehost.control.store.schema import metadata
from rehost.control.store.schema import sources as table
from rehost.errors import DatabaseTooNew
from tests.unit.identities import house

OLDER = [f"{number:04}" for number in range(1, int(revisions.newest()))]


@pytest.fixture
def database(database_url):
    database = Database(database_url)
    database.upgrade()
    yield database
    database.close()


def rows(db: sa.Connection) -> dict[str, list[dict[str, Any]]]:
    """What is in each table that is not empty."""
    content = {t.name: db.execute(sa.select(t).order_by(*t.primary_key)) for t in tables(db)}
    named = {name: [dict(row._mapping) for row in result] for name, result in content.items()}
    return {name: content for name, content in named.items() if content}


def fill(db: sa.Connection) -> None:
    """Put two rows into each table, whatever it is for."""
    for each in tables(db):
        for number in range(2):
            db.execute(sa.insert(each).values(row_of(db, each, number)))


def tables(db: sa.Connection) -> list[sa.Table]:
    found = sa.MetaData()
    found.reflect(db)
    return [each for each in found.sorted_tables if each.name != "alembic_version"]


def row_of(db: sa.Connection, each: sa.Table, number: int) -> dict[str, Any]:
    return {c.name: value_of(db, c, number) for c in each.columns if not counts_itself(each, c)}


def counts_itself(each: sa.Table, column: sa.Column[Any]) -> bool:
    return isinstance(column.type, sa.Integer) and [*each.primary_key] == [column]


def value_of(db: sa.Connection, column: sa.Column[Any], number: int) -> object:
    for key in column.foreign_keys:
        return db.execute(sa.select(key.column)).scalars().all()[number]
    if issubclass(column.type.python_type, bool):
        return False
    return number if column.type.python_type is int else f"{number} {column.name}"[:16]


def test_migrations_make_the_schema(database):
    with database.read() as db:
        assert compare_metadata(MigrationContext.configure(db), metadata) == []


@pytest.mark.parametrize("revision", OLDER)
def test_an_upgrade_from_each_older_schema_keeps_all_rows(database_url, revision):
    database = Database(database_url)
    with database.write() as db:
        migrate.upgrade(db, revision)
        fill(db)
        before = rows(db)
    assert before
    database.upgrade()
    with database.read() as db:
        after = rows(db)
        assert compare_metadata(MigrationContext.configure(db), metadata) == []
    database.close()
    for name, old in before.items():
        assert [{c: row[c] for c in old[0]} for row in after[name]] == old


def test_upgrade_twice_changes_nothing(database):
    with database.write() as db:
        db.execute(sa.text("INSERT INTO domains VALUES ('d', 'kept')"))
    database.upgrade()
    with database.read() as db:
        assert db.execute(sa.text("SELECT name FROM domains")).scalar_one() == "kept"


def test_database_of_a_newer_version_is_refused(database):
    with database.write() as db:
        db.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseTooNew, match="newer"):
        database.upgrade()


def test_a_transaction_that_fails_leaves_nothing(database):
    with contextlib.suppress(ZeroDivisionError), database.write() as db:
        db.execute(sa.text("INSERT INTO domains VALUES ('d', 'gone')"))
        db.execute(sa.text("SELECT 1")).scalar_one() / 0
    with database.read() as db:
        assert db.execute(sa.text("SELECT count(*) FROM domains")).scalar_one() == 0


def test_many_that_wait_to_write_keep_nobody_from_reading(database):
    waiting = threading.Barrier(21)

    def write() -> None:
        waiting.wait()
        with database.write():
            pass

    with ThreadPoolExecutor(20) as crowd:
        with database.write():
            writers = [crowd.submit(write) for _ in range(20)]
            waiting.wait()
            time.sleep(0.5)  # each has its connection, or waits for one
            began = time.monotonic()
            with database.read() as db:
                assert db.execute(sa.text("SELECT 1")).scalar_one() == 1
            assert time.monotonic() - began < 3
        for writer in writers:
            writer.result()


QUERIES = [
    "SELECT number FROM sources WHERE project_id = 'p' ORDER BY number DESC LIMIT 200",
    "SELECT count(*) FROM sources WHERE project_id = 'p'",
    "SELECT count(*) FROM sources WHERE project_id = 'p' AND state = 'waiting'",
    "SELECT * FROM sources WHERE id = 's'",
    "SELECT * FROM sources WHERE identity_key = 'k'",
    "SELECT * FROM tokens WHERE digest = 'd'",
    "SELECT id FROM commands WHERE source_id = 's'",
    "SELECT id FROM sources WHERE connected AND id > ''",
]


@pytest.fixture
def sqlite(database):
    if database.engine.dialect.name != "sqlite":
        pytest.skip("about SQLite's plans")
    return database


@pytest.fixture
def filled(tmp_path, new_database):
    """On PostgreSQL, with rows enough that reading all of them would be slow."""
    if not (url := new_database()):
        pytest.skip("about PostgreSQL's plans")
    with house(tmp_path, url) as opened:
        first = opened.source(opened.project(), "first")
        with opened.database.write() as db:
            db.execute(sa.text(COPY_PROJECTS))
            columns = [c.name for c in table.columns if c.name not in {"number", *CHANGED}]
            names = ", ".join(columns)
            db.execute(
                sa.text(
                    f"INSERT INTO sources ({names}, {', '.join(CHANGED)}) "
                    f"SELECT {names}, {', '.join(CHANGED.values())} FROM sources, "
                    f"generate_series(1, 5000) AS n WHERE sources.id = '{first}'"
                )
            )
            db.execute(sa.text(COPY_TOKENS))
            db.execute(sa.text(COPY_COMMANDS))
            db.execute(sa.text("ANALYZE"))
        yield opened.database


CHANGED = {
    "id": "'s' || n",
    "project_id": "'p' || n % 50",
    "identity_key": "'k' || n",
    "connected": "n % 100 = 0",
    "state": "'s' || n % 5",
}
COPY_PROJECTS = """
    INSERT INTO projects (id, domain_id, name)
    SELECT 'p' || n, d.id, 'copy' || n FROM domains d, generate_series(0, 50) AS n
"""
COPY_TOKENS = """
    INSERT INTO tokens (digest, source_id, issued_at)
    SELECT 'd' || number, id, 0 FROM sources
"""
COPY_COMMANDS = """
    INSERT INTO commands (source_id, name, param, created_at) SELECT id, 'c', '{}', 0 FROM sources
"""


@pytest.mark.parametrize("query", QUERIES)
def test_frequent_queries_use_an_index_and_do_not_sort(sqlite, query):
    with sqlite.read() as db:
        plan = [row.detail for row in db.execute(sa.text(f"EXPLAIN QUERY PLAN {query}"))]
    assert all("SEARCH" in step and "INDEX" in step for step in plan), plan


@pytest.mark.parametrize("query", QUERIES)
def test_frequent_queries_use_an_index_on_postgresql(filled, query):
    with filled.read() as db:
        plan = "\n".join(db.execute(sa.text(f"EXPLAIN {query}")).scalars())
    assert "Index" in plan
    assert "Seq Scan" not in plan


def test_looking_for_silent_agents_reads_the_connected_ones_alone(sqlite):
    asked = []
    sa.event.listen(sqlite.engine, "before_cursor_execute", lambda *a: asked.append((a[2], a[3])))
    with sqlite.read() as db:
        sources.any_silent(db, 5)
        statement, values = asked[-1]
        plan = db.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
    assert "ix_sources_connected" in plan[0].detail
