"""The OpenAPI document, made of the operations and of the types that check and encode them.

The types' schemas are those of the library that validates bodies: what is documented is what is
enforced. Types have the names that the SMS v3 API gives them.
"""

import inspect
import re
import sys
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

import rehost
from rehost import errors
from rehost.control.api.error_body import ErrorBody
from rehost.control.api.examples import EXAMPLES
from rehost.control.links import links
from rehost.control.operation import JSON, Access, Operation

BYTES: dict[str, Any] = {"type": "string", "format": "binary"}
SCHEMAS = "#/components/schemas/{name}"
ABOUT = """\
Server migration, by Huawei Cloud's SMS v3 API: its SDKs and tools work unchanged.

Log in with `POST /v3/auth/tokens` and send the token as `X-Auth-Token`, or sign each request with
an access key (`SDK-HMAC-SHA256`). Sizes are bytes, times are ms since the epoch; null means that a
fact is not known. `X-Language: zh-cn` gives checks in Chinese. Every answer has an `X-Request-Id`,
which the service's log names too. Unknown fields are ignored."""
# The SMS v3 API's names of our types.
NAMES = {
    "Report": "PostSourceServerBody",
    "Network": "NetWork",
    "Disk": "ServerDisk",
    "Partition": "PhysicalVolume",
    "VolumeGroup": "VolumeGroups",
    "LogicalVolume": "LogicalVolumes",
    "Btrfs": "BtrfsFileSystem",
    "BtrfsSubvolume": "BtrfsSubvolumn",
    "SourceServer": "SourceServersResponseBody",
    "DiskInTargetServer": "DiskIntargetServer",
    "CurrentTask": "TaskByServerSource",
    "TargetRef": "TargetServerById",
    "ErrorBody": "ErrorResponse",
}
SECURITY = {
    "token": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Auth-Token",
        "description": "A token of `POST /v3/auth/tokens`, or the credential of an agent.",
    },
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`SDK-HMAC-SHA256 Access=…, SignedHeaders=…, Signature=…`, as the SDKs "
        "send it for an access key; the request's time is in `X-Sdk-Date`.",
    },
    "enrolment": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Enrolment-Code",
        "description": "A code of `rehost enroll`: good for one registration.",
    },
}
CREDENTIALS: dict[Access, tuple[str, ...]] = {
    Access.ANYONE: (),
    Access.USER: ("token", "signature"),
    Access.AGENT: ("token", "signature"),
    Access.ENROLLED: ("token", "signature", "enrolment"),
}
HEADERS = {
    "X-Request-Id": "The request's id; the service's log names it too.",
    "X-Subject-Token": "The token that the answer is about.",
    "Retry-After": "Seconds to wait before the next try.",
}

Json = dict[str, Any]


def document(operations: Sequence[Operation]) -> Json:
    """The document of all `operations` but those that answer a program."""
    shown = [o for o in operations if o.returns is not bytes or o.gives != JSON]
    types = list(
        dict.fromkeys(t for o in shown for t in (_body(o), o.returns) if t not in (None, bytes))
    )
    types.append(ErrorBody)
    found, components = msgspec.json.schema_components(types, ref_template=SCHEMAS)
    schemas = dict(zip(types, found, strict=True))
    paths: Json = {}
    for operation in shown:
        described = _operation(operation, schemas)
        if leading := links(operation, shown):
            described["responses"][str(int(operation.status))]["links"] = leading
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {"title": "Rehost", "version": rehost.__version__, "description": ABOUT},
        "tags": _tags(shown),
        "paths": _readable(paths),
        "components": {
            "schemas": {NAMES.get(n, n): _readable(s) for n, s in components.items()},
            "securitySchemes": SECURITY,
        },
    }


def _operation(operation: Operation, schemas: dict[Any, Json]) -> Json:
    summary, _, more = inspect.cleandoc(operation.function.__doc__ or "").partition("\n")
    described: Json = {
        "operationId": operation.name,
        "summary": summary.removesuffix("."),
        "description": more.strip(),
        "tags": [_tag(operation)],
        "security": [{name: []} for name in CREDENTIALS[operation.access]],
        "parameters": [*_parameters(operation)],
        "responses": {
            str(int(operation.status)): _success(operation, schemas),
            **_failures(operation, schemas[ErrorBody]),
        },
    }
    if (body := _body(operation)) is not None:
        media: Json = {"schema": BYTES if body is bytes else schemas[body]}
        if examples := EXAMPLES.get(operation.name):
            media["examples"] = {name: {"value": value} for name, value in examples.items()}
        described["requestBody"] = {"required": True, "content": {operation.takes: media}}
    return described


def _tag(operation: Operation) -> str:
    return str(operation.function.__module__.rsplit(".", 1)[-1])


def _tags(operations: Iterable[Operation]) -> list[Json]:
    modules = {_tag(o): sys.modules[o.function.__module__] for o in operations}
    return [
        {"name": name, "description": inspect.cleandoc(module.__doc__ or "")}
        for name, module in modules.items()
    ]


def _body(operation: Operation) -> Any:  # noqa: ANN401 - a type
    parameter = inspect.signature(operation.function).parameters.get("body")
    return parameter and parameter.annotation


def _parameters(operation: Operation) -> Iterable[Json]:
    in_path = re.findall(r"{(\w+)}", operation.path)
    for name, parameter in inspect.signature(operation.function).parameters.items():
        if name in in_path:
            yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        elif name not in ("ctx", "body"):
            yield {"name": name, "in": "query", "required": False, "schema": _query(parameter)}
    for name in operation.headers:
        schema: Json = {"type": "string", "minLength": 1}
        yield {"name": name, "in": "header", "required": True, "schema": schema}


def _query(parameter: inspect.Parameter) -> Json:
    """A query parameter is there or not, never null."""
    schema: Json
    (schema,), components = msgspec.json.schema_components((parameter.annotation,))
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
    kind: Json
    [kind] = (components[k["$ref"].rsplit("/", 1)[-1]] if "$ref" in k else k for k in kinds)
    default = parameter.default
    return kind if default is None else kind | {"default": default}


def _success(operation: Operation, schemas: dict[Any, Json]) -> Json:
    names = ("X-Request-Id", *(h for h in operation.answers_with))
    response: Json = {"description": operation.status.phrase, "headers": _headers(*names)}
    if operation.returns is not None:
        schema = BYTES if operation.returns is bytes else schemas[operation.returns]
        response["content"] = {operation.gives: {"schema": schema}}
    return response


def _failures(operation: Operation, schema: Json) -> Json:
    """The failures an operation can have: its own, and those of any of its kind."""
    kinds: dict[HTTPStatus, list[type[errors.Error]]] = {}
    for kind in dict.fromkeys((*_of_its_kind(operation), *operation.raises)):
        kinds.setdefault(kind.status, []).append(kind)
    return {
        str(int(status)): {
            "description": "\n\n".join(f"`{k.code}` {inspect.getdoc(k)}" for k in found),
            "headers": _headers(
                "X-Request-Id",
                *(["Retry-After"] if status is HTTPStatus.TOO_MANY_REQUESTS else []),
            ),
            "content": {JSON: {"schema": schema, "example": _example(found[-1])}},
        }
        for status, found in sorted(kinds.items())
    }


def _example(kind: type[errors.Error]) -> Json:
    said = inspect.getdoc(kind) or ""
    return {"error_code": kind.code, "error_msg": said}


def _of_its_kind(operation: Operation) -> Iterable[type[errors.Error]]:
    yield errors.InvalidRequest
    if operation.access is not Access.ANYONE:
        yield errors.NotAuthenticated
        yield errors.PermissionDenied
        yield errors.KeystoneUnreachable
    if operation.access in (Access.AGENT, Access.ENROLLED):
        yield errors.NotYourResource
    if operation.method in ("POST", "PUT"):
        yield errors.BodyTooLarge
        yield errors.UnsupportedMediaType
    yield errors.TooManyRequests
    yield errors.DatabaseUnavailable
    yield errors.Internal


def _headers(*names: str) -> Json:
    return {name: {"description": HEADERS[name], "schema": {"type": "string"}} for name in names}


def _readable(schema: Any) -> Any:  # noqa: ANN401 - any part of the document
    """The same in fewer words: the API's names, and "or null" as a type, not as a choice."""
    if isinstance(schema, list):
        return [_readable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: _readable(value) for key, value in schema.items()}
    if isinstance(reference := schema.get("$ref"), str):
        place, name = reference.rsplit("/", 1)
        schema["$ref"] = f"{place}/{NAMES.get(name, name)}"
    if isinstance(title := schema.get("title"), str):
        schema["title"] = NAMES.get(title, title)
    if isinstance(text := schema.get("description"), str):
        schema["description"] = inspect.cleandoc(text)
    if "default" in schema and schema["default"] is None:
        del schema["default"]
    if isinstance(schema.get("enum"), list):
        schema.setdefault("type", "string")
    if isinstance(choices := schema.get("anyOf"), list):
        schema |= _or_null(choices)
        if "type" in schema:
            del schema["anyOf"]
    return schema


def _or_null(choices: list[Json]) -> Json:
    """A plain type that may also be null, if that is what the choices come to."""
    others = [choice for choice in choices if choice != {"type": "null"}]
    if len(others) != 1 or len(choices) != 2 or not isinstance(others[0].get("type"), str):
        return {}
    return others[0] | {"type": [others[0]["type"], "null"]}
