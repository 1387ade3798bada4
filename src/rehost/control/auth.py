"""Who calls: a user or agent by token, a user by signature, a machine by enrolment code.

Every request passes here, in the event loop. What a credential stands for comes through the exact
cache, so a revoked token, a disabled user or a changed role counts from the next request on, in
every process. No answer tells whether a user or an access key exists.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rehost.contract.signature import ALGORITHM, Request, parse_authorization, verify
from rehost.control.clock import now_ms
from rehost.control.keys import Keys
from rehost.control.operation import ANONYMOUS, Caller
from rehost.control.store.callers import Known, by_access_key, by_enrolment, by_project, by_token
from rehost.control.store.credentials import WRONG_CODE, code_digest, digest
from rehost.control.store.hot import HotReader
from rehost.control.throttle import Throttle
from rehost.errors import NotAuthenticated

if TYPE_CHECKING:
    from rehost.control.keystone import Keystone  # keystoneauth1 takes a while to import

WRONG_TOKEN = "the token is wrong, expired or revoked"  # noqa: S105
WRONG_PROJECT = (
    "the caller has no role in the project that X-Project-Id names; "
    "GET /v3/auth/projects lists the user's projects"
)
WRONG_KEYSTONE_TOKEN = (
    "Keystone does not know the token, or it is not for a project in which its user is admin, "  # noqa: S105
    "member or reader"
)
WRONG_DOMAIN = "X-Domain-Id is not the domain of the user whom the access key belongs to"


class Authenticator:
    """Tells who made a request. One for each process; any thread may use it."""

    def __init__(
        self,
        hot: HotReader,
        keys: Keys,
        *,
        keystone: "Keystone | None" = None,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self.keystone = keystone
        self._hot = hot
        self._keys = keys
        self._clock = clock
        self.throttle = Throttle()

    @staticmethod
    def needs_body(headers: Mapping[str, str]) -> bool:
        """Whether the request is signed: then its body must be read before asking `caller`."""
        return headers.get("authorization", "").startswith(ALGORITHM)

    def caller(
        self,
        method: str,
        raw_path: str,
        raw_query: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> Caller:
        """Who made this request; ANONYMOUS if it does not say. Names in `headers` are lower-case.

        A signature counts before a token, and a token before an enrolment code. Raises
        NotAuthenticated if the one that counts is not good.
        """
        if self.needs_body(headers):
            target = f"{raw_path}?{raw_query}" if raw_query else raw_path
            request = Request(method=method, target=target, headers=headers, body=body)
            known = self._signer(request)
        elif token := headers.get("x-auth-token"):
            known = self._holder(token)
        elif code := headers.get("x-enrolment-code"):
            known = self._unexpired("enrolment", code_digest(code), by_enrolment, WRONG_CODE)
        else:
            return ANONYMOUS
        # A token for one project is for that one, whatever project a client's defaults name.
        if known.by_project and (project := headers.get("x-project-id")):
            if project not in known.by_project:
                raise NotAuthenticated(WRONG_PROJECT)
            return known.by_project[project]
        return known.caller

    def _holder(self, token: str) -> Known:
        """Of a token of ours, or of Keystone's: the edge has asked about it."""
        if self.keystone is None or not self.keystone.is_theirs(token):
            return self._unexpired("token", digest(token), by_token, WRONG_TOKEN)
        caller = self.keystone.caller(token)
        if caller is None or caller.project_id is None:
            raise NotAuthenticated(WRONG_KEYSTONE_TOKEN)
        # Also the first read of the request, which the further ones rely on.
        if self._known("project", caller.project_id, by_project) is None:
            raise NotAuthenticated(WRONG_KEYSTONE_TOKEN)
        return Known(caller=caller)

    def _unexpired(
        self, kind: str, key: str, load: Callable[[HotReader, str], Known | None], wrong: str
    ) -> Known:
        known = self._known(kind, key, load)
        # At each use: time passes without a write that would empty the cache.
        if known is None or known.expires_at <= self._clock():
            raise NotAuthenticated(wrong)
        return known

    def _signer(self, request: Request) -> Known:
        authorization = parse_authorization(request.headers["authorization"])
        known = self._known("access key", authorization.access, self._access_key)
        # An unknown key is not refused here: it must fail like a wrong signature.
        secret = known.secret if known else secrets.token_hex()
        now = datetime.fromtimestamp(self._clock() / 1000, UTC)
        verify(request, authorization, secret, now=now)
        if known is None:
            raise NotAuthenticated(WRONG_TOKEN)
        domain = request.headers.get("x-domain-id", known.caller.domain_id)
        if domain != known.caller.domain_id:
            raise NotAuthenticated(WRONG_DOMAIN)
        return known

    def _access_key(self, hot: HotReader, access: str) -> Known | None:
        known = by_access_key(hot, access)
        return known and replace(known, secret=self._keys.decrypt(known.secret))

    def _known(
        self, kind: str, key: str, load: Callable[[HotReader, str], Known | None]
    ) -> Known | None:
        try:
            return self._hot.cached((kind, key), lambda hot: _present(load(hot, key)))
        except _Absent:
            return None


class _Absent(Exception):
    """Keeps what is not there out of the cache: anybody could fill it with wrong tokens."""


def _present(known: Known | None) -> Known:
    if known is None:
        raise _Absent
    return known
