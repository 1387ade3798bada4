"""Texts that are longer than the service takes: each costs its own field, not the report."""

import dataclasses
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any, TypeVar, get_args, get_type_hints

from rehost.model.limits import max_length
from rehost.model.server import Facts, Missing, Report

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TextField:
    name: str
    limit: int
    is_optional: bool


def fit(report: Report) -> Report:
    """The report without texts over their limit: they are None, and among the missing facts.

    A text that must be there is cut.
    """
    missing: list[Missing] = []
    fitted = _fit(report, "", missing)
    if not missing:
        return fitted
    facts = fitted.facts or Facts()
    return replace(fitted, facts=replace(facts, missing=(*facts.missing, *dict.fromkeys(missing))))


def _fit(value: T, place: str, missing: list[Missing]) -> T:
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(value):  # type: ignore[arg-type]
        item, where = getattr(value, field.name), f"{place}{field.name}"
        if isinstance(item, tuple) and item and dataclasses.is_dataclass(item[0]):
            changes[field.name] = tuple(_fit(one, f"{where}[].", missing) for one in item)
        elif dataclasses.is_dataclass(item):
            changes[field.name] = _fit(item, f"{where}.", missing)
    kind: type = type(value)
    for text in _texts(kind):
        item = getattr(value, text.name)
        if isinstance(item, str) and len(item) > text.limit:
            changes[text.name] = None if text.is_optional else item[: text.limit]
            if text.is_optional:
                reason = f"it has {len(item)} characters; the service takes {text.limit}"
                missing.append(Missing(fact=f"{place}{text.name}", reason=reason))
    return replace(value, **changes) if changes else value  # type: ignore[type-var]


@cache
def _texts(kind: type) -> tuple[TextField, ...]:
    return tuple(_limited(kind))


def _limited(kind: type) -> Iterator[TextField]:
    for name, annotation in get_type_hints(kind, include_extras=True).items():
        if (limit := max_length(annotation)) is not None:
            optional = type(None) in get_args(annotation)
            yield TextField(name=name, limit=limit, is_optional=optional)
