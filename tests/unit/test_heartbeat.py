import pytest
import sqlalchemy as sa

from rehost.control import heartbeat
from rehost.control.heartbeat import Heartbeats
from rehost.control.store import sources as store
from rehost.control.store.schema import heartbeats, sources
from tests.unit.identities import house


@pytest.fixture
def opened(tmp_path, database_url):
    with house(tmp_path, database_url) as made:
        yield made


@pytest.fixture
def clock(monkeypatch):
    """A clock that tests set, in ms."""
    now = [1_000_000]
    monkeypatch.setattr(heartbeat, "now_ms", lambda: now[0])
    return now


def row(opened, source_id):
    with opened.database.read() as db:
        return db.execute(sa.select(sources).where(sources.c.id == source_id)).one()


def seen(opened):
    with opened.database.read() as db:
        return {row.source_id: row.seen_at for row in db.execute(sa.select(heartbeats))}


def test_an_agent_that_comes_is_connected_since_now(opened, clock):
    source_id = opened.source(opened.project())
    beats = Heartbeats(opened.database, poll_interval=30)
    beats.note(source_id, connected=False)
    beats.flush()
    assert row(opened, source_id).connected
    assert row(opened, source_id).last_visit_time == clock[0]
    assert seen(opened) == {source_id: clock[0]}


def test_an_agent_that_stays_does_not_change_its_source(opened, clock):
    source_id = opened.source(opened.project())
    beats = Heartbeats(opened.database, poll_interval=30)
    beats.note(source_id, connected=False)
    beats.flush()
    before = row(opened, source_id)
    clock[0] += 30_000
    beats.note(source_id, connected=True)
    beats.flush()
    assert row(opened, source_id) == before
    assert seen(opened) == {source_id: clock[0]}


def test_an_agent_silent_for_three_polls_is_gone_once(opened, clock):
    source_id = opened.source(opened.project())
    beats = Heartbeats(opened.database, poll_interval=30)
    beats.note(source_id, connected=False)
    beats.flush()
    clock[0] += 90_000
    beats.sweep()
    assert row(opened, source_id).connected
    clock[0] += 20_000
    beats.sweep()
    gone = row(opened, source_id)
    assert (gone.connected, gone.last_visit_time) == (False, clock[0])
    clock[0] += 500_000
    beats.sweep()
    assert row(opened, source_id) == gone


def test_a_service_that_was_down_gives_agents_the_time_to_come_back(opened, clock):
    source_id = opened.source(opened.project())
    before = Heartbeats(opened.database, poll_interval=30)
    before.note(source_id, connected=False)
    before.flush()
    clock[0] += 3_600_000
    after = Heartbeats(opened.database, poll_interval=30)
    clock[0] += 60_000
    after.sweep()
    assert row(opened, source_id).connected


def test_the_later_heartbeat_of_two_processes_stands(opened, clock):
    source_id = opened.source(opened.project())
    one, two = (Heartbeats(opened.database, poll_interval=30) for _ in range(2))
    one.note(source_id, connected=False)
    clock[0] += 1000
    two.note(source_id, connected=False)
    two.flush()
    one.flush()
    assert seen(opened) == {source_id: clock[0]}


def test_heartbeats_survive_a_database_that_refuses(opened, clock, monkeypatch):
    source_id = opened.source(opened.project())
    beats = Heartbeats(opened.database, poll_interval=30)
    beats.note(source_id, connected=False)
    with monkeypatch.context() as patched:
        patched.setattr(store, "connect", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            beats.flush()
    assert seen(opened) == {}
    beats.flush()
    assert row(opened, source_id).connected


def test_a_heartbeat_of_a_deleted_source_is_nothing(opened):
    beats = Heartbeats(opened.database, poll_interval=30)
    beats.note("never-was", connected=False)
    beats.flush()
    assert seen(opened) == {}
