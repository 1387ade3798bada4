"""The HTTP edge: with edge.py, the only module that knows the web framework.

It turns each Operation into a route (edge.py: what happens to a request) and serves the OpenAPI
document (openapi.py). Nothing here knows what an operation does.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import msgspec
from litestar import HttpMethod, Litestar, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.static_files import create_static_files_router

from rehost.control.api import OPERATIONS
from rehost.control.edge import endpoint_of, failed, identified, options_of
from rehost.control.openapi import document
from rehost.control.operation import JSON, Operation
from rehost.control.services import Services

PAGE = Path(__file__).parent / "docs"
ANY = 200  # the framework wants one; the answers of edge.py have their own
CSP = "Content-Security-Policy"
ONLY_OURS = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"


def create_app(
    services: Services,
    *,
    operations: Sequence[Operation] = OPERATIONS,
    on_shutdown: Sequence[Callable[[], None]] = (),
) -> Litestar:
    """The ASGI application of one process."""
    return Litestar(
        route_handlers=[
            # First, or the framework makes its own, which know the first method only.
            *_options(operations),
            *(_route(operation, services) for operation in operations),
            _openapi_json(operations),
            _page,
            create_static_files_router(
                "/docs/static",
                directories=[PAGE, _swagger_ui()],
                after_request=identified,
            ),
        ],
        exception_handlers={Exception: failed},
        on_shutdown=on_shutdown,
        openapi_config=None,  # openapi.py makes it
        request_max_body_size=services.config.body_limit,
        logging_config=None,
        signature_namespace={},
    )


def _route(operation: Operation, services: Services) -> HTTPRouteHandler:
    return HTTPRouteHandler(
        _path(operation.path),
        http_method=operation.method,  # type: ignore[arg-type]
        name=f"{operation.name} {operation.path}",
        status_code=ANY,
    )(endpoint_of(operation, services))


def _options(operations: Sequence[Operation]) -> Iterator[HTTPRouteHandler]:
    for path in dict.fromkeys(operation.path for operation in operations):
        methods = [operation.method for operation in operations if operation.path == path]
        yield HTTPRouteHandler(
            _path(path), http_method=HttpMethod.OPTIONS, status_code=ANY, sync_to_thread=False
        )(options_of(methods))


def _path(path: str) -> str:
    return path.replace("}", ":str}")


def _openapi_json(operations: Sequence[Operation]) -> HTTPRouteHandler:
    @functools.cache  # not at the start: it takes a while, and few ask for it
    def encoded() -> bytes:
        return msgspec.json.encode(document(operations))

    @get("/openapi.json", after_request=identified, sync_to_thread=False)
    def openapi_json() -> Response[bytes]:
        return Response(encoded(), media_type=JSON)

    return openapi_json


@get("/docs", after_request=identified, sync_to_thread=False)
def _page() -> Response[bytes]:
    """The page to browse the API; nothing of it comes from another host."""
    page = (PAGE / "index.html").read_bytes()
    return Response(page, media_type="text/html", headers={CSP: ONLY_OURS})


def _swagger_ui() -> Path:
    """The page's scripts, from the package that carries them; only its files are of use here."""
    spec = find_spec("swagger_ui")
    assert spec is not None and spec.submodule_search_locations  # noqa: PT018, S101 - a dependency
    return Path(spec.submodule_search_locations[0]) / "static"
