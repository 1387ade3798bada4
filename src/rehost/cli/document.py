"""Reading decoded JSON of any SMS v3 service: a field may be absent, null, or not as documented."""

from typing import Any

from rehost.model.printable import printable

Json = dict[str, Any]


def text(document: Json, name: str) -> str:
    """ "" if absent."""
    value = document.get(name)
    return "" if value is None else printable(value)


def texts(document: Json, name: str) -> list[str]:
    value = document.get(name)
    return [printable(each) for each in value] if isinstance(value, list) else []


def number(document: Json, name: str) -> int | None:
    value = document.get(name)
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def rows(document: Json, name: str) -> list[Json]:
    value = document.get(name)
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def part(document: Json, name: str) -> Json:
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def is_true(document: Json, name: str) -> bool:
    return document.get(name) in (True, "true")


def split(document: Json, name: str) -> list[str]:
    """The parts of a list that the API joins with ";"."""
    return [word for word in text(document, name).split(";") if word]
