"""The documented answer of ShowServer is what this service answers, field by field."""

import dataclasses
import time

import msgspec
import sqlalchemy as sa

from rehost.control import document
from rehost.control.store.schema import sources
from rehost.model.task import CurrentTask
from tests.compat.bodies import EXAMPLE, windows
from tests.compat.conftest import Service

# Chosen by the service; the example's are of its day.
OWN = {"id", "add_date", "state_action_time", "stage_action_time", "last_visit_time"}


def test_documented_example(service: Service):
    token = service.token()
    status, _, registered = service.call("POST", "/v3/sources", windows(), X_Auth_Token=token)
    assert status == 200
    start_task(service, registered["id"])

    status, _, shown = service.call("GET", f"/v3/sources/{registered['id']}", X_Auth_Token=token)

    assert status == 200
    assert shown.keys() == EXAMPLE.keys()
    same = EXAMPLE.keys() - OWN - {"checks"}
    assert {k: shown[k] for k in same} == {k: EXAMPLE[k] for k in same}
    assert without_ids(shown["checks"]) == without_ids(EXAMPLE["checks"])
    first = shown["checks"][0]["id"]
    assert [c["id"] for c in shown["checks"]] == list(range(first, first + 12))
    assert all(abs(shown[k] - time.time() * 1000) < 60_000 for k in OWN - {"id"})


def without_ids(checks: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{k: v for k, v in check.items() if k != "id"} for check in checks]


def start_task(service: Service, source_id: str) -> None:
    """Put the source where the example's is: its task has just begun to replicate."""
    task = msgspec.convert(EXAMPLE["current_task"], CurrentTask)
    values = {
        "task": document.task(task),
        "state": EXAMPLE["state"],
        "migration_cycle": EXAMPLE["migration_cycle"],
    }
    with service.house() as opened, opened.database.write() as db:
        db.execute(sa.update(sources).where(sources.c.id == source_id).values(**values))


def test_task_knows_every_documented_field():
    fields = {f.name for f in dataclasses.fields(CurrentTask)}
    assert EXAMPLE["current_task"].keys() <= fields
