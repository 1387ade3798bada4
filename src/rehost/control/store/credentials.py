"""What callers prove themselves with: tokens, access keys, enrolment codes.

Each function is part of its caller's transaction. Of tokens and codes only digests are stored:
who reads the database can use none of them, and deleting a row revokes exactly that one.
"""

import hashlib
import secrets
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from rehost.control.clock import now_ms
from rehost.control.keys import Keys
from rehost.control.store.identity import Project, User
from rehost.control.store.schema import access_keys, enrolments, tokens
from rehost.errors import IdentityNotFound, NotAuthenticated

HOUR = 3600 * 1000
TOKEN_HOURS = 24
USER_PREFIX, AGENT_PREFIX = "rht_", "rha_"  # so that a leaked one is known for what it is

# Crockford's: no I, L, O or U, so that a code survives being read aloud. 20 of them are 100 bits.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_AS_READ = str.maketrans("OIL", "011", "- ")
_GROUPS, _GROUP = 5, 4


def digest(secret: str) -> str:
    """What is stored of a token: it is random, so a plain hash cannot be guessed back."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


def issue_token(db: sa.Connection, user: User, project: Project | None) -> tuple[str, int]:
    """A token of the user for one project, or (None) for all of its domain, and when it expires."""
    now = now_ms()
    # Here and not on a timer: what a log-in adds, a log-in clears away.
    db.execute(sa.delete(tokens).where(tokens.c.expires_at < now))
    token = USER_PREFIX + secrets.token_urlsafe(48)
    values = {
        "digest": digest(token),
        "user_id": user.id,
        "project_id": project.id if project else None,
        "issued_at": now,
        "expires_at": now + TOKEN_HOURS * HOUR,
    }
    db.execute(sa.insert(tokens).values(values))
    return token, now + TOKEN_HOURS * HOUR


def find_token(db: sa.Connection, token: str) -> sa.Row[Any] | None:
    """The row of a user's token; None if it is none, expired or revoked."""
    mine = (tokens.c.digest == digest(token), tokens.c.user_id.is_not(None))
    query = sa.select(tokens).where(*mine, tokens.c.expires_at > now_ms())
    return db.execute(query).one_or_none()


def revoke_token(db: sa.Connection, token: str) -> bool:
    """Revoke a user's token; False if there is no such token."""
    mine = (tokens.c.digest == digest(token), tokens.c.user_id.is_not(None))
    return db.execute(sa.delete(tokens).where(*mine)).rowcount == 1


def issue_agent_token(db: sa.Connection, source_id: str, project_id: str) -> str:
    """The credential of a source's agent, valid until revoked; earlier ones end here."""
    db.execute(sa.delete(tokens).where(tokens.c.source_id == source_id))
    token = AGENT_PREFIX + secrets.token_urlsafe(48)
    values = {
        "digest": digest(token),
        "source_id": source_id,
        "project_id": project_id,
        "issued_at": now_ms(),
    }
    db.execute(sa.insert(tokens).values(values))
    return token


def create_key(db: sa.Connection, user: User, keys: Keys) -> tuple[str, str]:
    """A new access key (AK) and secret key (SK) of the user."""
    access = secrets.token_hex(10).upper()
    secret = secrets.token_urlsafe(30)
    values = {
        "access": access,
        "secret": keys.encrypt(secret),
        "user_id": user.id,
        "created_at": now_ms(),
    }
    db.execute(sa.insert(access_keys).values(values))
    return access, secret


def keys_of(db: sa.Connection, user: User) -> Sequence[sa.Row[Any]]:
    """The user's access keys, oldest first: access, created_at."""
    query: sa.Select[Any] = sa.select(access_keys.c.access, access_keys.c.created_at)
    mine = query.where(access_keys.c.user_id == user.id)
    return db.execute(mine.order_by(access_keys.c.created_at, access_keys.c.access)).all()


def delete_key(db: sa.Connection, user: User, access: str) -> None:
    """Raise IdentityNotFound if the user has no such key."""
    mine = (access_keys.c.access == access, access_keys.c.user_id == user.id)
    if not db.execute(sa.delete(access_keys).where(*mine)).rowcount:
        raise IdentityNotFound("access key", access, user.domain.name)


def create_enrolment(
    db: sa.Connection, project_id: str, created_by: str, *, hours: int
) -> tuple[str, int]:
    """A code that registers one source in the project, and when it expires."""
    now = now_ms()
    code = "-".join(_letters(_GROUP) for _ in range(_GROUPS))
    values = {
        "digest": code_digest(code),
        "project_id": project_id,
        "created_by": created_by,
        "expires_at": now + hours * HOUR,
    }
    db.execute(sa.insert(enrolments).values(values))
    return code, now + hours * HOUR


def code_digest(code: str) -> str:
    """The same for a code however it was typed: in small letters, without dashes, O for 0."""
    return digest(code.upper().translate(_AS_READ))


def redeem_enrolment(db: sa.Connection, enrolment: str, source_id: str) -> None:
    """Use up the code with this digest, in the transaction that registers the source.

    The same source may come with it again: an agent that never saw the answer asks once more.
    Raise NotAuthenticated if it is expired or registered another source.
    """
    now = now_ms()
    usable = (
        enrolments.c.digest == enrolment,
        sa.or_(enrolments.c.used_at.is_(None), enrolments.c.source_id == source_id),
        enrolments.c.expires_at > now,
    )
    used = sa.update(enrolments).where(*usable).values(used_at=now, source_id=source_id)
    if db.execute(used).rowcount != 1:
        raise NotAuthenticated(WRONG_CODE)


WRONG_CODE = (
    "the enrolment code is wrong, expired, or was used already; ask for a new one "
    "with `rehost enroll`"
)


def _letters(count: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(count))
