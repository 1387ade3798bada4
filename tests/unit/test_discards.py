import sqlalchemy as sa

from rehost.control.store import leases
from rehost.control.store.leases import AT_ONCE, Holder
from rehost.control.store.schema import discards
from tests.unit.identities import house

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
