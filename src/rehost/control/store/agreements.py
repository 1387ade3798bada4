"""Who has accepted the privacy agreement. Each function is part of its caller's transaction."""

import sqlalchemy as sa

from rehost.control.clock import now_ms
from rehost.control.store.schema import agreements


def accept(db: sa.Connection, subject: str) -> None:
    """Note it once; the first time stands."""
    if not accepted(db, subject):
        db.execute(sa.insert(agreements).values(subject=subject, accepted_at=now_ms()))


def accepted(db: sa.Connection, subject: str) -> bool:
    query = sa.select(agreements.c.accepted_at).where(agreements.c.subject == subject)
    return db.execute(query).first() is not None
