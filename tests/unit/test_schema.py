import contextlib

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from rehost.control.store import sources
from rehost.control.store.database import Database
from rehost.control.store.schema import metadata
from rehost.errors import DatabaseTooNew


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'rehost.db'}")
    database.upgrade()
    yield database
    database.close()


def test_migrations_make_the_schema(database):
    with database.read() as db:
        assert compare_metadata(MigrationContext.configure(db), metadata) == []


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


@pytest.mark.parametrize(
    "query",
    [
        "SELECT number FROM sources WHERE project_id = 'p' ORDER BY number DESC LIMIT 200",
        "SELECT count(*) FROM sources WHERE project_id = 'p'",
        "SELECT count(*) FROM sources WHERE project_id = 'p' AND state = 'waiting'",
        "SELECT * FROM sources WHERE id = 's'",
        "SELECT * FROM sources WHERE identity_key = 'k'",
        "SELECT * FROM tokens WHERE digest = 'd'",
        "SELECT id FROM commands WHERE source_id = 's'",
        "SELECT id FROM sources WHERE connected = 1 AND id > ''",
    ],
)
def test_frequent_queries_use_an_index_and_do_not_sort(database, query):
    with database.read() as db:
        plan = [row.detail for row in db.execute(sa.text(f"EXPLAIN QUERY PLAN {query}"))]
    assert all("SEARCH" in step and "INDEX" in step for step in plan), plan


def test_looking_for_silent_agents_reads_the_connected_ones_alone(database):
    asked = []
    sa.event.listen(database.engine, "before_cursor_execute", lambda *a: asked.append((a[2], a[3])))
    with database.read() as db:
        sources.any_silent(db, 5)
        statement, values = asked[-1]
        plan = db.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
    assert "ix_sources_connected" in plan[0].detail
