"""Who a client is to the service. None of these shows its secret when printed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rehost.errors import BadConfiguration


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was handed out: by a log-in, or to an agent for its own source."""

    token: str = field(repr=False)

    def headers(self) -> Mapping[str, str]:
        return {"X-Auth-Token": as_header("token", self.token)}


@dataclass(frozen=True, slots=True)
class EnrolmentCode:
    """Good for registering one machine, once."""

    code: str = field(repr=False)

    def headers(self) -> Mapping[str, str]:
        return {"X-Enrolment-Code": as_header("enrolment code", self.code)}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """An access key and its secret; every request is signed anew."""

    access: str
    secret: str = field(repr=False)
    project_id: str | None = None

    def headers(self) -> Mapping[str, str]:
        if self.project_id is None:
            return {}
        return {"X-Project-Id": as_header("project id", self.project_id)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """User and password; the client fetches a token when it needs one.

    `project` and `domain` are names. Without a project the token is for the domain.
    """

    user: str
    password: str = field(repr=False)
    domain: str
    project: str | None = None

    def body(self) -> dict[str, Any]:
        """The body of POST /v3/auth/tokens."""
        domain = {"name": self.domain}
        user = {"name": self.user, "password": self.password, "domain": domain}
        scope = (
            {"project": {"name": self.project, "domain": domain}}
            if self.project is not None
            else {"domain": domain}
        )
        identity = {"methods": ["password"], "password": {"user": user}}
        return {"auth": {"identity": identity, "scope": scope}}


Credentials = Token | EnrolmentCode | KeyPair | Login


def as_header(what: str, value: str) -> str:
    """Return `value` without surrounding space; BadConfiguration if no header can carry it."""
    value = value.strip()
    if not value or not (value.isascii() and value.isprintable()):
        raise BadConfiguration(
            f"the {what} is empty or has characters that no header can carry; "
            "copy it again, whole and on one line"
        )
    return value
