"""Passwords: hashed slowly and with much memory, by argon2id."""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from string import ascii_letters, digits

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from rehost.errors import InvalidRequest, TooManyRequests

SHORTEST = 8
LONGEST = 1024

_HASHER = PasswordHasher()
# Each takes 64 MiB and a core for a while: this many at once, and this many more that wait, so
# that log-ins starve neither memory nor the threads of other requests.
_AT_ONCE = threading.BoundedSemaphore(2)
CROWD = 8
_ADMITTED = threading.BoundedSemaphore(CROWD)


def new_hash(password: str) -> str:
    """What is stored of a password. Raises InvalidRequest for one that is too short or long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidRequest(f"a password must have {SHORTEST} to {LONGEST} characters")
    return _HASHER.hash(password)


def generate() -> str:
    """A password that nobody guesses (119 bits), and that no shell or URL changes."""
    return "".join(secrets.choice(ascii_letters + digits) for _ in range(20))


@contextmanager
def admitted() -> Iterator[None]:
    """In it, a password may be checked. Raises TooManyRequests if many are already."""
    if not _ADMITTED.acquire(blocking=False):
        raise TooManyRequests("many log-ins at once; try again in a moment", retry_after_s=1)
    try:
        yield
    finally:
        _ADMITTED.release()


def matches(stored: str | None, password: str) -> bool:
    """Whether `password` is the stored one. Takes as long if there is none (None)."""
    with _AT_ONCE:
        return _verify(stored or _nobodys(), password)


def _verify(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password.encode(errors="surrogatepass"))
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobodys() -> str:
    return _HASHER.hash(secrets.token_bytes(16))
