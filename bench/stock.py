"""A data folder with many registered sources, made quickly: one registered, the rest copied."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from bench.machine import REPORT
from rehost.control import registration
from rehost.control.config import ServeConfig
from rehost.control.operation import Caller
from rehost.control.serve import prepare
from rehost.control.store import credentials, identity
from rehost.control.store.schema import sources, tokens
from rehost.control.worker import open_services
from rehost.model.server import Report

BATCH = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    data: Path
    database: str  # URL; "" is SQLite in the data folder
    token: str
    source_ids: tuple[str, ...]
    agent_tokens: tuple[str, ...]  # of the first sources


def fill(data: Path, *, count: int, agents: int = 0, database: str = "") -> Stock:
    """Register `count` sources; the first `agents` get credentials of their own."""
    services = open_services(prepare(ServeConfig(data=data, database=database)))
    with services.database.write() as db:
        project = identity.ensure_project(db, "default", domain="default")
        user = identity.create_user(db, "bench", project.domain, password_hash="-")
        identity.grant(db, user, project, "operator")
        token, _ = credentials.issue_token(db, user, project)
    caller = Caller(user_id=user.id, project_id=project.id, projects=(project.id,))
    first, _ = registration.register(
        services, caller, msgspec.convert(REPORT, Report), client_ip="127.0.0.1"
    )
    ids = [first]
    with services.database.write() as db:
        row = db.execute(sa.select(sources)).mappings().one()
        for batch in batches(range(2, count + 1), BATCH):
            copies = [copy(dict(row), number) for number in batch]
            db.execute(sa.insert(sources), copies)
            ids += [c["id"] for c in copies]
    agent_tokens = tuple(f"rha_{uuid.uuid4().hex}" for _ in range(agents))
    with services.database.write() as db:
        if agents:
            db.execute(
                sa.insert(tokens),
                [
                    {
                        "digest": credentials.digest(agent_token),
                        "project_id": project.id,
                        "source_id": source_id,
                        "issued_at": 0,
                    }
                    for agent_token, source_id in zip(agent_tokens, ids, strict=False)
                ],
            )
        if database:  # what autovacuum would do in a while
            number = "SELECT setval(pg_get_serial_sequence('sources', 'number'), :last)"
            db.execute(sa.text(number), {"last": count})
            db.execute(sa.text("ANALYZE"))
    services.hot.close()
    services.database.close()
    return Stock(
        data=data,
        database=database,
        token=token,
        source_ids=tuple(ids),
        agent_tokens=agent_tokens,
    )


def copy(row: dict[str, Any], number: int) -> dict[str, Any]:
    return row | {"number": number, "id": str(uuid.uuid4()), "name": f"server-{number}"}


def batches(numbers: range, size: int) -> Iterator[range]:
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]
