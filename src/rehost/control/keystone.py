"""Users of an external Keystone: a token that is not ours is validated there.

A user may see whether its own token is valid, so no account of the service's own is needed. What
Keystone said counts for a short time: until then a token that was revoked there is still taken
here. Projects keep Keystone's ids, domains too.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import msgspec
from keystoneauth1.exceptions import ClientException
from keystoneauth1.session import Session

from rehost.control.clock import now_ms
from rehost.control.operation import Caller
from rehost.control.roles import ROLES, Role
from rehost.control.store import identity
from rehost.control.store.credentials import AGENT_PREFIX, USER_PREFIX, digest
from rehost.control.store.database import Database
from rehost.errors import KeystoneUnreachable

TRUSTED_MS = 30_000
TIMEOUT_S = 5
# In threads of its own: requests that wait for Keystone keep no others waiting.
AT_ONCE = 4
REMEMBERED = 10_000
OUR_ROLES = {"admin": Role.ADMIN, "member": Role.OPERATOR, "reader": Role.READER}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeystoneDomain:
    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeystoneMember:
    """A user or a project: both have a name in a domain."""

    id: str
    name: str
    domain: KeystoneDomain


@dataclass(frozen=True, slots=True, kw_only=True)
class KeystoneRole:
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeystoneToken:
    """What is needed of Keystone's answer; `project` only if the token is for one."""

    user: KeystoneMember
    expires_at: datetime
    roles: tuple[KeystoneRole, ...] = ()
    project: KeystoneMember | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    token: KeystoneToken


@dataclass(frozen=True, slots=True)
class Remembered:
    caller: Caller | None  # None: Keystone does not know the token, or it gives no role here
    until: float  # ms since the epoch


class Keystone:
    """Validates tokens at one Keystone. Any thread may use it."""

    def __init__(
        self, url: str, *, ca_file: str, database: Database, clock: Callable[[], int] = now_ms
    ) -> None:
        self._url = url.rstrip("/")
        self._session = Session(verify=ca_file or True, timeout=TIMEOUT_S)
        self._database = database
        self._clock = clock
        self._known: dict[str, Remembered] = {}
        self._threads = ThreadPoolExecutor(AT_ONCE, "keystone")

    def unknown(self, headers: Mapping[str, str]) -> str | None:
        """A token among the request's headers that Keystone must be asked about first."""
        token = headers.get("x-auth-token", "")
        if not self.is_theirs(token):
            return None
        remembered = self._known.get(digest(token))
        return None if remembered and remembered.until > self._clock() else token

    @staticmethod
    def is_theirs(token: str) -> bool:
        return bool(token) and not token.startswith((USER_PREFIX, AGENT_PREFIX))

    def question(self, token: str) -> Future[None]:
        """Ask about a token, in another thread: it ends as `ask` does.

        It is not asked any more when its turn comes late.
        """
        return self._threads.submit(self._ask_in_time, token, time.monotonic() + TIMEOUT_S)

    def ask(self, token: str) -> None:
        """Ask Keystone about a token and remember the answer. Raise KeystoneUnreachable."""
        found = self._validate(token)
        until = float(self._clock() + TRUSTED_MS)
        caller = None
        if found is not None:
            until = min(until, found.expires_at.timestamp() * 1000)
            caller = self._caller(found)
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[digest(token)] = Remembered(caller, until)

    def caller(self, token: str) -> Caller | None:
        """Whose token this is, as last heard; None if Keystone refuses it or was not asked."""
        remembered = self._known.get(digest(token))
        return remembered.caller if remembered and remembered.until > self._clock() else None

    def _ask_in_time(self, token: str, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise KeystoneUnreachable(self._url, "too many requests wait for it")
        # Another request with it may have been before this one.
        if self.unknown({"x-auth-token": token}) is not None:
            self.ask(token)

    def _validate(self, token: str) -> KeystoneToken | None:
        headers = {"X-Auth-Token": token, "X-Subject-Token": token}
        try:
            answer = self._session.get(
                f"{self._url}/auth/tokens?nocatalog", headers=headers, raise_exc=False
            )
        except ClientException as e:
            raise KeystoneUnreachable(self._url, str(e)) from e
        if answer.status_code in (401, 403, 404):
            return None
        if answer.status_code != 200:
            raise KeystoneUnreachable(self._url, f"it answered {answer.status_code}")
        try:
            return msgspec.json.decode(answer.content, type=Validation).token
        except msgspec.DecodeError as e:
            raise KeystoneUnreachable(self._url, f"its answer makes no sense: {e}") from e

    def _caller(self, token: KeystoneToken) -> Caller | None:
        allowed = [ROLES[OUR_ROLES[r.name]] for r in token.roles if r.name in OUR_ROLES]
        if token.project is None or not allowed:
            return None
        with self._database.write() as db:
            identity.adopt_project(
                db,
                identity.Project(
                    id=token.project.id,
                    name=token.project.name,
                    domain=identity.Domain(
                        id=token.project.domain.id, name=token.project.domain.name
                    ),
                ),
            )
        return Caller(
            user_id=token.user.id,
            user_name=token.user.name,
            domain_id=token.user.domain.id,
            project_id=token.project.id,
            projects=(token.project.id,),
            actions=frozenset[str]().union(*allowed),
        )
