"""What tasks cost does not grow with the finished ones: the plans of the very statements."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from rehost.control import tasks
from rehost.control.clock import now_ms
from rehost.control.store import leases
from rehost.control.store import tasks as table
from rehost.control.store.schema import tasks as rows
from rehost.control.store.tasks import Filters
from rehost.stages.task import Action
from tests.unit.identities import House, house
from tests.unit.tasks import new_source, new_task

HOLDER = leases.Holder(owner="o", node="n")
FINISHED = 2000
COPIED = [c.name for c in rows.columns if c.name not in ("number", "id", "current", "state")]
COPY = f"""
    INSERT INTO tasks ({", ".join(COPIED)}, id, current, state)
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {FINISHED})
    SELECT {", ".join(COPIED)}, 't' || i, false, 'MIGRATE_SUCCESS' FROM tasks, n
"""


@pytest.fixture
def home(tmp_path, database_url) -> Iterator[House]:
    with house(tmp_path, database_url) as made:
        yield made


@pytest.fixture
def crowd(home: House) -> House:
    """A source with a long past: thousands of finished tasks, and a new one."""
    source_id = new_source(home)
    new_task(home, source_id)
    with home.database.write() as db:
        db.execute(sa.text(COPY))
        if home.database.engine.dialect.name == "postgresql":
            db.execute(sa.text("ANALYZE"))
    return home


def the_task(home: House) -> Any:
    with home.database.read() as db:
        [task] = table.page(db, projects(db), Filters(), limit=1, offset=FINISHED)
    return task


def projects(db: sa.Connection) -> list[str]:
    return list(db.execute(sa.text("SELECT id FROM projects")).scalars())


def shown(home: House, db: sa.Connection) -> None:
    table.get(db, "t1")


def listed(home: House, db: sa.Connection) -> None:
    table.page(db, projects(db), Filters(), limit=50, offset=0)
    table.page(db, projects(db), Filters(state="RUNNING"), limit=50, offset=0)


def counted(home: House, db: sa.Connection) -> None:
    table.count(db, projects(db), Filters())
    table.count(db, projects(db), Filters(state="MIGRATE_SUCCESS"))


def of_its_source(home: House, db: sa.Connection) -> None:
    with home.database.read() as other:
        [source_id] = other.execute(sa.text("SELECT id FROM sources")).scalars()
    table.current(db, source_id)


def looked_for_work(home: House, db: sa.Connection) -> None:
    leases.work(db, HOLDER, now=now_ms())
    leases.held(db, HOLDER)
    leases.renew(db, HOLDER, until=now_ms())


def created_and_started(home: House, db: sa.Connection) -> None:
    task = the_task(home)
    tasks.act(db, task, Action.START)


@pytest.mark.parametrize(
    "doing", [shown, listed, counted, of_its_source, looked_for_work, created_and_started]
)
def test_no_statement_reads_all_tasks(crowd: House, doing: Callable[[House, sa.Connection], None]):
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if "tasks" in statement or "task_counts" in statement:
            asked.append((statement, values))

    with crowd.database.write() as db:
        sa.event.listen(db, "before_cursor_execute", note)
        doing(crowd, db)
        sa.event.remove(db, "before_cursor_execute", note)
        plans = [plan(db, statement, values) for statement, values in asked]
        assert plans
        db.rollback()
    for text in plans:
        assert "SCAN tasks" not in text.replace("SCAN tasks USING INDEX ix_tasks_active", "")
        assert "Seq Scan on tasks" not in text


def plan(db: sa.Connection, statement: str, values: Any) -> str:
    is_sqlite = db.engine.dialect.name == "sqlite"
    explain = "EXPLAIN QUERY PLAN" if is_sqlite else "EXPLAIN"
    found = db.exec_driver_sql(f"{explain} {statement}", values).all()
    return "\n".join(str(row[-1]) for row in found)
