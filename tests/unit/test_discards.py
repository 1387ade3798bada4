import threading

import sqlalchemy as sa

from rehost.control.errands import Errands
from rehost.control.left_overs import AT_ONCE as REMOVED_AT_ONCE
from rehost.control.store import leases
from rehost.control.store.leases import AT_ONCE, Holder
from rehost.control.store.schema import discards
from tests.unit.identities import house
from tests.unit.tasks import NotedProvider, NotedRunner

ME = Holder(owner="me", node="here")


def test_what_can_never_be_removed_keeps_nothing_else_from_its_turn(tmp_path, database_url):
    left = {f"t{number}" for number in range(AT_ONCE + 50)}
    with house(tmp_path, database_url) as home:
        with home.database.write() as db:
            rows = [{"task_id": t, "lease_until": 0} for t in left]
            db.execute(sa.insert(discards), rows)
        seen: set[str] = set()
        for _ in range(200):
            with home.database.read() as db:
                found = leases.left_over(db, ME, now=1)
            assert len(found) == AT_ONCE
            seen |= {each.task_id for each in found}
    assert seen == left


class SlowToDelete(NotedProvider):
    def __init__(self) -> None:
        super().__init__()
        self.may_end = threading.Event()

    def delete(self, server_id: str) -> None:
        assert self.may_end.wait(20)
        super().delete(server_id)


def test_few_are_removed_at_once_and_all_in_the_end(tmp_path, database_url):
    left, provider = {f"t{number}" for number in range(REMOVED_AT_ONCE + 5)}, SlowToDelete()
    with house(tmp_path, database_url) as home:
        with home.database.write() as db:
            rows = [{"task_id": t, "server_id": t, "lease_until": 0} for t in left]
            db.execute(sa.insert(discards), rows)
        runner = NotedRunner(home, provider)
        runner._errands.__class__ = Errands
        for _ in range(3):
            runner.turn()
        assert len(runner._errands.under_way("delete")) == REMOVED_AT_ONCE
        provider.may_end.set()
        while rows_left(home):
            runner.turn()
    assert {task_id for task_id in left if provider.deleted[task_id] == 1} == left


def rows_left(home):
    with home.database.read() as db:
        return db.execute(sa.select(discards.c.task_id)).all()
