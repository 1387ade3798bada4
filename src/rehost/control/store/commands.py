"""Commands for agents: queued, handed out, confirmed."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from rehost.control.clock import now_ms
from rehost.control.store.schema import commands

# Instead of when it was handed out: it was, and is to be once more.
AGAIN = 0
# The next command to hand out, for the hot reader.
NEXT = (
    "SELECT id, name, param FROM commands "
    "WHERE source_id = ? AND COALESCE(handed_out_at, 0) = 0 AND finished_at IS NULL "
    "ORDER BY id LIMIT 1"
)
# The same for an agent that says which one it has; all others that wait have not reached it.
NEXT_BUT = (
    "SELECT id, name, param FROM commands "
    "WHERE source_id = ? AND id <> ? AND finished_at IS NULL ORDER BY id LIMIT 1"
)
WITHDRAWN = "withdrawn"  # what became of a command, besides the agent's words success and fail


def add(db: sa.Connection, source_id: str, name: str, param: str = "{}") -> None:
    """Queue a command; `param` is a JSON object, which begins with the task's id."""
    db.execute(
        sa.insert(commands).values(source_id=source_id, name=name, param=param, created_at=now_ms())
    )


def withdraw(db: sa.Connection, source_id: str, *names: str, task_id: str = "") -> None:
    """Take back what was not confirmed, of one task or of all; a result for it is refused then."""
    query = sa.update(commands).where(
        commands.c.source_id == source_id,
        commands.c.finished_at.is_(None),
        commands.c.name.in_(names),
    )
    if task_id:
        query = query.where(commands.c.param.startswith(f'{{"task_id":"{task_id}"'))
    db.execute(query.values(finished_at=now_ms(), result=WITHDRAWN, result_detail="{}"))


def is_waiting(db: sa.Connection, source_id: str, name: str, param: str | None = None) -> bool:
    """Whether a command of this name, and these parameters, is queued or waits for its result."""
    query = sa.select(commands.c.id).where(
        commands.c.source_id == source_id,
        commands.c.finished_at.is_(None),
        commands.c.name == name,
    )
    if param is not None:
        query = query.where(commands.c.param == param)
    return db.execute(query.limit(1)).first() is not None


def hand_out(db: sa.Connection, command_id: int, *, again: bool) -> bool:
    """Note that the agent gets it now; False if it was withdrawn, or, unless `again`, if somebody
    was first."""
    query = sa.update(commands).where(commands.c.id == command_id, commands.c.finished_at.is_(None))
    if not again:
        query = query.where(sa.func.coalesce(commands.c.handed_out_at, AGAIN) == AGAIN)
    return db.execute(query.values(handed_out_at=now_ms())).rowcount == 1


def hand_out_again(db: sa.Connection, source_id: str) -> None:
    """An agent that starts anew has forgotten what it did not confirm.

    One that only reports its machine anew has not, and its result still counts.
    """
    db.execute(
        sa.update(commands)
        .where(
            commands.c.source_id == source_id,
            commands.c.finished_at.is_(None),
            commands.c.handed_out_at.is_not(None),
        )
        .values(handed_out_at=AGAIN)
    )


def handed_out(db: sa.Connection, source_id: str, name: str) -> Sequence[sa.Row[Any]]:
    """The commands of this name that wait for their results, oldest first."""
    query = (
        sa.select(commands)
        .where(
            commands.c.source_id == source_id,
            commands.c.name == name,
            commands.c.handed_out_at.is_not(None),
            commands.c.finished_at.is_(None),
        )
        .order_by(commands.c.id)
    )
    return db.execute(query).all()


def finish(db: sa.Connection, command_id: int, *, result: str, detail: str) -> None:
    db.execute(
        sa.update(commands)
        .where(commands.c.id == command_id)
        .values(finished_at=now_ms(), result=result, result_detail=detail)
    )
