import subprocess
import sys

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from rehost.control import admin
from rehost.control.store import migrate, revisions
from rehost.control.store.database import Database
from rehost.errors import BadConfiguration

FIRST = "0001"


@pytest.fixture
def run(tmp_path, monkeypatch, new_database):
    """Run a command on a database, on either server, that is not there yet."""
    monkeypatch.setenv("REHOST_DATA", str(tmp_path))
    monkeypatch.setenv("REHOST_DATABASE", new_database() or f"sqlite:///{tmp_path / 'rehost.db'}")

    def run(*words: str, code: int = 0) -> list[str]:
        result = CliRunner().invoke(admin.commands, words)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result.stdout.splitlines()

    return run


@pytest.fixture
def database(run):
    from rehost.control.config import load

    made = Database(load(None).database_url)
    yield made
    made.close()


def bring_to(database: Database, revision: str) -> None:
    with database.write() as db:
        migrate.upgrade(db, revision)


def set_revision(database: Database, revision: str) -> None:
    with database.write() as db:
        db.execute(sa.text("UPDATE alembic_version SET version_num = :r"), {"r": revision})


def test_an_old_database_is_told_and_upgraded(run, database):
    bring_to(database, FIRST)
    current, newest, *steps = run("db", "status", code=1)
    assert current == f"schema: {FIRST}"
    assert steps[0].startswith("to do: 0002: ")
    assert steps[-1].startswith(f"to do: {newest.rsplit(' ', 1)[-1]}: ")
    assert database.schema().current == FIRST  # status changes nothing
    done = run("db", "upgrade")
    assert [line.removeprefix("done: ") for line in done] == [
        step.removeprefix("to do: ") for step in steps
    ]
    assert run("db", "upgrade") == []
    assert run("db", "status") == [newest.replace("of this program", "schema"), newest]


def test_the_newest_schema_is_known_without_alembic(database):
    database.upgrade()
    with database.read() as db:
        assert migrate.schema(db).newest == revisions.newest() == revisions.current(db)


def test_an_empty_postgresql_database_is_filled(run, database):
    if database.engine.dialect.name == "sqlite":
        pytest.skip("an SQLite database that is not there is a mistyped folder")
    assert run("db", "status", code=1)[0] == "schema: none"
    run("db", "upgrade")
    assert run("db", "status")[0] != "schema: none"


def test_a_mistyped_folder_is_not_filled(run, tmp_path, monkeypatch):
    monkeypatch.delenv("REHOST_DATABASE")
    for word in ("status", "upgrade"):
        with pytest.raises(BadConfiguration, match="--data"):
            run("db", word, "--data", str(tmp_path / "elsewhere"))
    assert not (tmp_path / "elsewhere").exists()


def test_an_upgrade_that_fails_leaves_the_old_schema(run, database):
    bring_to(database, FIRST)
    with database.write() as db:  # in the way of a later step
        db.execute(sa.text("CREATE TABLE audit (x INTEGER)"))
    with pytest.raises(Exception, match=r"audit\W* already exists"):
        run("db", "upgrade")
    assert database.schema().current == FIRST
    with database.read() as db:
        assert "migprojects" not in sa.inspect(db).get_table_names()


@pytest.mark.parametrize(
    "words",
    ["db status", "db upgrade", "user list", "user create ann", "role list", "serve --port 1"],
)
def test_a_database_of_a_newer_program_is_refused_in_a_sentence(run, database, words):
    database.upgrade()
    set_revision(database, "9999")
    program = [sys.executable, "-m", "rehost", *words.split()]
    ended = subprocess.run(program, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        "rehost: the database has schema 9999, which this version of Rehost does not know; "
        "install the newer version that upgraded it\n"
    )
    with database.read() as db:
        assert db.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() == "9999"
