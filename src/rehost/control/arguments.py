"""The arguments of an operation, read from a request and checked by their types.

What is wrong is an InvalidRequest that names the place. Nothing is guessed: text is no number in a
body, a parameter given twice is not taken once, and a NUL, which databases refuse, is refused here.
"""

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args
from urllib.parse import parse_qsl

import msgspec

from rehost.control.operation import JSON, Operation
from rehost.errors import InvalidRequest

BOOLEANS = {"true": True, "false": False}
INTEGER = re.compile(r"[+-]?[0-9]{1,20}", re.ASCII)
NOT_UTF_8 = "the query is not UTF-8, percent-encoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """How the arguments of one operation are read."""

    path: tuple[str, ...]
    query: Mapping[str, Any]  # types by name
    body: "msgspec.json.Decoder[Any] | None"
    raw: bool  # the body is taken as it is

    def read(self, path: Mapping[str, Any], query: bytes, body: bytes) -> dict[str, Any]:
        """The arguments that are given. Raises InvalidRequest."""
        given: dict[str, Any] = {name: _path_value(name, path[name]) for name in self.path}
        if query and self.query:
            given |= _query_values(query, self.query)
        if self.raw:
            given["body"] = body
        elif self.body is not None:
            given["body"] = _decode(body, self.body)
        return given


def arguments_of(operation: Operation) -> Arguments:
    parameters = dict(inspect.signature(operation.function).parameters)
    path = tuple(re.findall(r"{(\w+)}", operation.path))
    body = parameters.pop("body", None)
    query = {n: p.annotation for n, p in parameters.items() if n not in (*path, "ctx")}
    raw = operation.takes != JSON
    decoder = None if body is None or raw else msgspec.json.Decoder(body.annotation)
    return Arguments(path=path, query=query, body=decoder, raw=raw)


def _path_value(name: str, value: str) -> str:
    if "\0" in value:
        raise InvalidRequest(f"path parameter {name}: NUL cannot be part of a text")
    return value


def _query_values(query: bytes, types: Mapping[str, Any]) -> dict[str, Any]:
    try:
        pairs = parse_qsl(query.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError as e:
        raise InvalidRequest(NOT_UTF_8) from e
    given: dict[str, Any] = {}
    for name, text in pairs:
        if name not in types:
            continue
        place = f"query parameter {name}"
        if name in given:
            raise InvalidRequest(f"{place}: given more than once")
        if "\0" in text:
            raise InvalidRequest(f"{place}: NUL cannot be part of a text")
        try:
            given[name] = msgspec.convert(_plain(text, types[name]), types[name])
        except msgspec.ValidationError as e:
            raise InvalidRequest(f"{place}: {e}") from e
    return given


def _plain(text: str, type_: Any) -> object:  # noqa: ANN401 - a type
    """A number or a truth value, if that is what the text is for and says; else the text."""
    kinds = _kinds(type_)
    if bool in kinds:
        return BOOLEANS.get(text.lower(), text)
    if int in kinds and INTEGER.fullmatch(text):
        return int(text)
    return text


def _kinds(type_: Any) -> set[Any]:  # noqa: ANN401 - a type
    parts = get_args(type_)
    return {kind for part in parts for kind in _kinds(part)} if parts else {type_}


def _decode(body: bytes, decoder: "msgspec.json.Decoder[Any]") -> object:
    try:
        value = decoder.decode(body)
    except msgspec.ValidationError as e:
        message, _, place = str(e).partition(" - at `$")
        field = place.rstrip("`").lstrip(".")
        raise InvalidRequest(
            f"body field {field}: {message}" if field else f"body: {message}"
        ) from e
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        raise InvalidRequest(f"the body is not JSON: {e}") from e
    except RecursionError as e:
        raise InvalidRequest("the body is nested too deeply") from e
    if rb"\u0000" in body:  # cheap, and rarely true; a NUL as such is not JSON
        _refuse_nul(body)
    return value


def _refuse_nul(body: bytes) -> None:
    if (place := next(_with_nul(msgspec.json.decode(body), ""), None)) is not None:
        raise InvalidRequest(f"body field {place}: NUL cannot be part of a text")


def _with_nul(value: object, place: str) -> Iterator[str]:
    """Where in JSON a text, or the name of a field, has a NUL."""
    if isinstance(value, str):
        if "\0" in value:
            yield place
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _with_nul(item, f"{place}[{number}]")
    elif isinstance(value, dict):
        for name, item in value.items():
            if "\0" in name:
                yield f"{place}.{name!r}".lstrip(".")
            yield from _with_nul(item, f"{place}.{name}".lstrip("."))
