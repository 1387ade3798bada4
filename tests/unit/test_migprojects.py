"""Migration projects in the database: what HTTP does not show."""

import pytest
import sqlalchemy as sa

from rehost.control.store import migprojects
from rehost.control.store.database import Database
from rehost.control.store.schema import migprojects as table
from rehost.control.store.schema import sources
from tests.unit.identities import house


@pytest.fixture
def opened(tmp_path, database_url):
    with house(tmp_path, database_url) as opened:
        yield opened


def default(database: Database, project_id: str) -> str:
    with database.write() as db:
        return migprojects.ensure_default(db, project_id, region="local")


@pytest.mark.parametrize("earlier", ["", "named-before-there-were-any"])
def test_sources_from_before_join_the_first_default(opened, earlier):
    project = opened.project("p")
    opened.source(project)
    with opened.database.write() as db:
        db.execute(sa.update(sources).values(migproject=earlier))
    made = default(opened.database, project.id)
    with opened.database.read() as db:
        assert db.execute(sa.select(sources.c.migproject)).scalar_one() == made
    assert default(opened.database, project.id) == made


def test_the_database_itself_refuses_two_defaults(opened):
    project = opened.project("p").id
    default(opened.database, project)
    with opened.database.read() as db:
        row = db.execute(sa.select(table)).mappings().one()
    second = dict(row) | {"id": "m2", "name": "second"}
    with pytest.raises(sa.exc.IntegrityError), opened.database.write() as db:
        db.execute(sa.insert(table).values(second))
