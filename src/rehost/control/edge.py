"""A request on its way to its operation, and the answer on its way back.

Who calls, the arguments, the thread, the encoding, and errors in the documented shape.
"""

import asyncio
import functools
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.concurrency import sync_to_thread
from litestar.exceptions import (
    ClientException,
    InternalServerException,
    MethodNotAllowedException,
    NotFoundException,
)
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.types import ASGIApp, Receive, Scope, Send

from rehost import errors
from rehost.control import audit, proxies
from rehost.control.api.error_body import error_body
from rehost.control.arguments import arguments_of
from rehost.control.operation import ANONYMOUS, JSON, Access, Caller, Context, Operation, Reply
from rehost.control.services import Services
from rehost.model.language import Language

log = logging.getLogger(__name__)


ENGLISH = Language.ENGLISH
HttpRequest = Request[Any, Any, Any]
BODY_S = 60  # or slow senders, who need not be known, could fill the memory for good
DRAINED = 256 * 1024 * 1024  # bytes of a body that is too large anyway


class Encoded(Response[Any]):
    """An answer whose bytes are ready: what the framework would do to it, it does not need."""

    def __init__(self, body: bytes, *, status: int, headers: dict[str, str]) -> None:
        self._body = body
        self._status = status
        headers.setdefault("Content-Type", JSON)
        self._headers = [(n.lower().encode(), v.encode("latin-1")) for n, v in headers.items()]
        self._headers.append((b"content-length", str(len(body)).encode()))

    def to_asgi_response(self, *_: object, **__: object) -> ASGIApp:  # type: ignore[override]
        return self._send

    async def _send(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": self._status, "headers": self._headers}
        await send(start)  # type: ignore[arg-type]
        await send({"type": "http.response.body", "body": self._body, "more_body": False})


def endpoint_of(operation: Operation, services: Services) -> Callable[..., Any]:
    """The operation as the framework wants it: an async function of a request."""
    arguments = arguments_of(operation)
    audited = audit.is_audited(operation)

    async def endpoint(request: HttpRequest) -> Encoded:
        scope = request.scope
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        if "content-length" in headers:
            await _refuse_large(request, headers, services.config.body_limit)
        caller = ANONYMOUS
        if operation.access is not Access.ANYONE:
            caller = await _caller(operation, services, request, headers)
        context = _context(request, services, caller, headers)
        try:
            # Before the arguments are read: an unknown caller learns nothing of them.
            _admit(operation, caller, scope["path_params"])
            if operation.method in ("POST", "PUT"):
                _insist_on(operation.takes, headers)
            body = b"" if arguments.body is None and not arguments.raw else await _body(request)
            given = arguments.read(scope["path_params"], scope["query_string"], body)
        except (errors.PermissionDenied, errors.InvalidRequest) as e:
            if audited:
                await sync_to_thread(audit.note, operation, context, scope["path_params"], error=e)
            raise
        if operation.inline:
            result = operation.function(context, **given)
        elif operation.method == "GET" and not audited:
            result = await sync_to_thread(operation.function, context, **given)
        else:
            write = functools.partial(_noted, operation, context, request, given)
            threads = services.strangers if caller is ANONYMOUS else services.writers
            result = await asyncio.get_running_loop().run_in_executor(threads, write)
        return _encode(operation, result, context.request_id)

    return endpoint


def _noted(
    operation: Operation, context: Context, request: HttpRequest, given: Mapping[str, Any]
) -> object:
    """Run an operation, and note it in the audit trail if it is one that belongs there.

    In one thread: between the two, a caller that hangs up must not come.
    """
    if not audit.is_audited(operation):
        return operation.function(context, **given)
    path, body = request.scope["path_params"], given.get("body")
    try:
        result = operation.function(context, **given)
    except Exception as e:
        error = _translate(request, e) or errors.Internal(context.request_id)
        audit.note(operation, context, path, body=body, error=error)
        raise
    audit.note(operation, context, path, body=body, result=result)
    return result


async def _caller(
    operation: Operation, services: Services, request: HttpRequest, headers: dict[str, str]
) -> Caller:
    """Who calls, ANONYMOUS if it does not say. Raise NotAuthenticated."""
    if services.auth.keystone is not None:
        await _ask_keystone(services, headers)
    body = await _body(request) if services.auth.needs_body(headers) else b""
    return services.auth.caller(
        operation.method,
        request.scope["raw_path"].decode("latin-1"),
        request.scope["query_string"].decode("latin-1"),
        headers,
        body,
    )


async def _ask_keystone(services: Services, headers: dict[str, str]) -> None:
    """Ask about a token that is Keystone's and new, away from the event loop and its threads."""
    keystone = services.auth.keystone
    if keystone is not None and (token := keystone.unknown(headers)) is not None:
        await asyncio.wrap_future(keystone.question(token))


async def _refuse_large(request: HttpRequest, headers: dict[str, str], limit: int) -> None:
    """Refuse a body by its announced length.

    It is read and thrown away first, within reason: a client that is still sending when the
    connection closes does not get to see the answer.
    """
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) <= limit:
        return
    received, more = 0, True
    while more and received < DRAINED:
        message: Any = await request.receive()
        received += len(message.get("body", b""))
        more = message.get("more_body", False)
    raise errors.BodyTooLarge


async def _body(request: HttpRequest) -> bytes:
    try:
        async with asyncio.timeout(BODY_S):
            return await request.body()
    except TimeoutError as e:
        raise errors.InvalidRequest(f"the body did not arrive within {BODY_S} s") from e
    except InternalServerException as e:
        raise errors.InvalidRequest("the request ended before its body did") from e


def _admit(operation: Operation, caller: Caller, path: Mapping[str, Any]) -> None:
    if operation.access is Access.ANYONE:
        return
    if caller is ANONYMOUS:
        raise errors.NotAuthenticated(
            "this needs a token (X-Auth-Token) or a signature (Authorization: SDK-HMAC-SHA256)"
        )
    newcomer = caller.enrolment is not None and operation.access is not Access.ENROLLED
    stranger = caller.source_id is not None and operation.access is Access.USER
    forbidden = operation.action is not None and operation.action not in caller.actions
    if newcomer or stranger or forbidden:
        resource = " ".join((operation.resource, *map(str, path.values())))
        raise errors.PermissionDenied(operation.action or operation.name, resource)


def _insist_on(media: str, headers: dict[str, str]) -> None:
    content_type = headers.get("content-type", media)
    if content_type.split(";", 1)[0].strip().lower() not in (media, ""):
        raise errors.UnsupportedMediaType(content_type)


def options_of(methods: Iterable[str]) -> Callable[..., Any]:
    """What answers OPTIONS at a path with these methods; the framework forgets some of them."""
    allowed = ", ".join(sorted({*methods, "OPTIONS"}))

    def options(request: HttpRequest) -> Encoded:
        headers = {"Allow": allowed, "X-Request-Id": _request_id(request)}
        return Encoded(b"", status=HTTPStatus.NO_CONTENT, headers=headers)

    return options


def _context(
    request: HttpRequest, services: Services, caller: Caller, headers: dict[str, str]
) -> Context:
    return Context(
        caller=caller,
        services=services,
        language=Language.of(headers["x-language"]) if "x-language" in headers else ENGLISH,
        request_id=_request_id(request),
        base_url=_base_url(request, headers, services.config.public_url),
        client_ip=_client_ip(request, headers, services.config.trusted_proxies),
        headers=headers,
    )


def _client_ip(request: HttpRequest, headers: dict[str, str], trusted: str) -> str:
    client = request.scope["client"]
    peer = client[0] if client else ""
    if not trusted or "x-forwarded-for" not in headers:  # the hot path
        return peer
    return proxies.client(peer, headers["x-forwarded-for"], proxies.networks(trusted))


def _base_url(request: HttpRequest, headers: dict[str, str], public_url: str) -> str:
    return public_url or f"{request.scope['scheme']}://{headers.get('host', '')}"


def _request_id(request: HttpRequest) -> str:
    scope: dict[str, Any] = request.scope  # type: ignore[assignment]
    if "rehost_request_id" not in scope:
        scope["rehost_request_id"] = _new_id()
    return str(scope["rehost_request_id"])


def identified(response: Response[Any]) -> Response[Any]:
    """An answer of the framework's own, with an id like all others."""
    response.headers["X-Request-Id"] = _new_id()
    return response


def _new_id() -> str:
    return os.urandom(16).hex()


def _encode(operation: Operation, result: object, request_id: str) -> Encoded:
    if isinstance(result, bytes):  # the hot path
        headers = {"X-Request-Id": request_id}
        return Encoded(result, status=operation.status, headers=headers)
    reply = result if isinstance(result, Reply) else Reply(body=result)
    body = reply.body
    if not isinstance(body, bytes):
        body = b"" if body is None else msgspec.json.encode(body)
    headers = {"X-Request-Id": request_id, "Content-Type": operation.gives, **dict(reply.headers)}
    return Encoded(body, status=reply.status or operation.status, headers=headers)


def failed(request: HttpRequest, exception: Exception) -> Encoded:
    """Every failure in the documented shape, with the id under which the log has the cause."""
    request_id = _request_id(request)
    error = _translate(request, exception)
    if error is None:
        log.error(
            "request %s: %s %s",
            request_id,
            request.method,
            request.scope["path"],
            exc_info=exception,
        )
        error = errors.Internal(request_id)
    headers = {"X-Request-Id": request_id}
    if isinstance(error, errors.TooManyRequests):
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(exception, MethodNotAllowedException):
        headers |= exception.headers or {}
    return Encoded(msgspec.json.encode(error_body(error)), status=error.status, headers=headers)


def _translate(request: HttpRequest, exception: Exception) -> errors.Error | None:
    """The Error that says what the framework's exception means; None if nobody foresaw it."""
    if isinstance(exception, errors.Error):
        return exception
    method, path = request.method, request.scope["path"]
    error: errors.Error | None = None
    if isinstance(exception, MethodNotAllowedException):
        error = errors.MethodNotAllowed(method, path)
    elif isinstance(exception, NotFoundException):
        error = errors.PathNotFound(method, path)
    elif isinstance(exception, RequestEntityTooLarge):
        error = errors.BodyTooLarge()
    elif isinstance(exception, ClientException):
        error = errors.InvalidRequest(exception.detail)
    return error
