"""The HTTP edge: with edge.py, the only module that knows the web framework.

It turns each Operation into a route (edge.py: what happens to a request) and makes the OpenAPI
document. Nothing here knows what an operation does.
"""

import inspect
from collections.abc import Callable, Sequence
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path

import msgspec
from litestar import Litestar, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig, ResponseSpec
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.static_files import create_static_files_router

import rehost
from rehost.control.api import OPERATIONS
from rehost.control.api.error_body import ErrorBody
from rehost.control.edge import JSON, HttpRequest, authenticator, endpoint_of, failed
from rehost.control.operation import (
    Access,
    Operation,
)
from rehost.control.services import Services


def create_app(
    services: Services,
    *,
    operations: Sequence[Operation] = OPERATIONS,
    on_shutdown: Sequence[Callable[[], None]] = (),
) -> Litestar:
    """The ASGI application of one process."""
    return Litestar(
        route_handlers=[
            *(_route(operation, services) for operation in operations),
            _openapi_json,
            create_static_files_router(
                "/docs/static",
                directories=[_swagger_ui()],
                include_in_schema=False,
            ),
        ],
        exception_handlers={Exception: failed},
        on_shutdown=on_shutdown,
        openapi_config=_openapi(),
        request_max_body_size=services.config.body_limit,
        logging_config=None,
        signature_namespace={},
    )


def _route(operation: Operation, services: Services) -> HTTPRouteHandler:
    return HTTPRouteHandler(
        operation.path.replace("}", ":str}"),
        http_method=operation.method,  # type: ignore[arg-type]
        name=f"{operation.name} {operation.path}",
        operation_id=operation.name,
        summary=inspect.cleandoc(operation.function.__doc__ or "").split("\n", 1)[0],
        description=inspect.cleandoc(operation.function.__doc__ or ""),
        tags=[operation.function.__module__.rsplit(".", 1)[-1]],
        status_code=operation.status,
        before_request=authenticator(operation, services),
        responses=_error_responses(operation),
        security=None if operation.access is Access.ANYONE else [{"token": []}],
        include_in_schema=operation.returns is not bytes,
    )(endpoint_of(operation, services))


def _error_responses(operation: Operation) -> dict[int, ResponseSpec]:
    """The failures an operation documents: its own, and those that any of its kind can have."""
    statuses = {error.status for error in operation.raises} | {HTTPStatus.BAD_REQUEST}
    statuses |= {HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.TOO_MANY_REQUESTS}
    if operation.access is not Access.ANYONE:
        statuses |= {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
    if operation.method in ("POST", "PUT"):
        statuses |= {HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE}
    return {
        int(status): ResponseSpec(
            data_container=ErrorBody, description=status.phrase, generate_examples=False
        )
        for status in sorted(statuses)
    }


@get("/openapi.json", include_in_schema=False, sync_to_thread=False)
def _openapi_json(request: HttpRequest) -> Response[bytes]:
    """The OpenAPI document. It has the root to itself: the framework would take "/" with it."""
    return Response(msgspec.json.encode(request.app.openapi_schema.to_schema()), media_type=JSON)


def _swagger_ui() -> Path:
    """The page's scripts, from the package that carries them; only its files are of use here."""
    spec = find_spec("swagger_ui")
    assert spec is not None and spec.submodule_search_locations  # noqa: PT018, S101 - a dependency
    return Path(spec.submodule_search_locations[0]) / "static"


def _openapi() -> OpenAPIConfig:
    static = "/docs/static"
    return OpenAPIConfig(
        title="Rehost",
        version=rehost.__version__,
        description="Server migration, by the SMS v3 API.",
        path="/docs",
        use_handler_docstrings=False,
        render_plugins=[
            SwaggerRenderPlugin(
                path="/",
                favicon="<link rel='icon' href='/docs/static/favicon-32x32.png'>",
                js_url=f"{static}/swagger-ui-bundle.js",
                css_url=f"{static}/swagger-ui.css",
                standalone_preset_js_url=f"{static}/swagger-ui-standalone-preset.js",
            ),
        ],
        components=Components(
            security_schemes={
                "token": SecurityScheme(
                    type="apiKey", name="X-Auth-Token", security_scheme_in="header"
                )
            }
        ),
    )
