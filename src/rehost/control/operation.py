"""An API operation: a plain typed function, and what the HTTP edge must know about it.

To add one: a function with @operation in a module of control/api, and a line in its OPERATIONS.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from rehost.errors import Error, NotYourResource, PermissionDenied
from rehost.model.language import Language

if TYPE_CHECKING:
    from rehost.control.services import Services


JSON = "application/json"


class Access(StrEnum):
    """Who may call an operation at all."""

    ANYONE = "anyone"
    USER = "user"
    AGENT = "agent"  # and users, whose tools may act as an agent
    ENROLLED = "enrolled"  # agents, users, and the holder of an enrolment code


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls, and what that caller may see.

    `projects` are the visible ones: the token's project, or all that the user has a role in if
    the token is for the domain. `project_id` is where new things go. `actions` are the allowed
    IAM actions. For an agent `source_id` is its own source, the only one it sees; for the holder
    of an enrolment code `enrolment` is the code's digest.
    """

    user_id: str | None = None
    user_name: str = ""
    domain_id: str = ""
    project_id: str | None = None
    projects: tuple[str, ...] = ()
    actions: frozenset[str] = frozenset()
    source_id: str | None = None
    enrolment: str | None = None


ANONYMOUS = Caller()


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What an operation is given besides its arguments."""

    caller: Caller
    services: "Services"
    language: Language
    request_id: str
    base_url: str
    client_ip: str
    headers: dict[str, str]  # lower-case names

    def require(self, action: str, resource: str) -> None:
        """Raise PermissionDenied unless the caller's role allows `action`."""
        if action not in self.caller.actions:
            raise PermissionDenied(action, resource)

    def require_own(self, source_id: str) -> None:
        """Raise NotYourResource if an agent reaches for another source than its own."""
        if self.caller.source_id not in (None, source_id):
            raise NotYourResource(source_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer that is more than its body."""

    body: Any = None
    status: HTTPStatus | None = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """`returns` documents the body; the function may return it encoded already, as bytes.

    `inline` functions answer from memory or one indexed read: they run in the event loop, where
    a thread's hand-over would cost more than the work. `headers` names those that the function
    reads and cannot do without, `answers_with` those of its answer; both are for the document.
    `takes` and `gives` are the media types of bodies; what is not JSON is bytes.
    """

    function: Callable[..., Any]
    method: str
    path: str
    access: Access
    action: str | None
    status: HTTPStatus
    returns: Any
    raises: tuple[type[Error], ...]
    inline: bool
    resource: str
    headers: tuple[str, ...]
    answers_with: tuple[str, ...]
    takes: str
    gives: str

    @property
    def name(self) -> str:
        return self.function.__name__


def operation(  # noqa: PLR0913 - a declaration, read as a table
    method: str,
    path: str,
    *,
    returns: Any,  # noqa: ANN401 - any type that OpenAPI can show
    access: Access = Access.USER,
    action: str | None = None,
    resource: str = "source servers",
    status: HTTPStatus = HTTPStatus.OK,
    raises: tuple[type[Error], ...] = (),
    inline: bool = False,
    headers: tuple[str, ...] = (),
    answers_with: tuple[str, ...] = (),
    takes: str = JSON,
    gives: str = JSON,
) -> Callable[[Callable[..., Any]], Operation]:
    """Declare an operation. `action` is the IAM action that the caller's role must allow."""

    def declare(function: Callable[..., Any]) -> Operation:
        return Operation(
            function=function,
            method=method,
            path=path,
            access=access,
            action=action,
            status=status,
            returns=returns,
            raises=raises,
            inline=inline,
            resource=resource,
            headers=headers,
            answers_with=answers_with,
            takes=takes,
            gives=gives,
        )

    return declare
