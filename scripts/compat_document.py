"""docs/compat.md: the API's contract, operation by operation, and what this service makes of it.

What is served comes from the operations themselves, differences from the tables that the tests of
the contract use, and the tests from those that drive the operation with the public SDK.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.compat.bodies import CONTRACT
from tests.compat.differences import (
    DEPARTURES,
    IGNORED,
    NEEDED,
    OPTIONAL,
    OPTIONAL_FIELDS,
    OUR_FIELDS,
    OUR_VALUES,
    PAGES,
    RULES,
)

from rehost.control.api import OPERATIONS

SDK = "tests/compat/test_sdk.py"
MODELS = CONTRACT["models"]
SERVED = {(o.method, o.path) for o in OPERATIONS}


def rows() -> Iterator[tuple[str, str, str, str, str]]:
    """Operation, method and path, verdict, how it differs and its rules, the tests that show it."""
    driven = tests_of_operations(Path(SDK))
    for name, operation in CONTRACT["operations"].items():
        place = f"`{operation['method']} {operation['path']}`"
        if (operation["method"], operation["path"]) not in SERVED:
            yield name, place, "absent", "", ""
            continue
        departures, rules = DEPARTURES.get(name, ()), RULES.get(name, ())
        differences = [*_of_fields(name, operation), *(said for said, _ in departures)]
        notes = "; ".join((*differences, *(said for said, _ in rules)))
        tests = [f"{SDK}::{test}" for test in driven[operation["python"]]]
        tests += [test for _, test in (*departures, *rules)]
        shown = ", ".join(f"`{_short(test)}`" for test in tests)
        yield name, place, "different" if differences else "same", notes, shown


def ours() -> list[tuple[str, str]]:
    """Operations that the contract does not have: method and path, summary."""
    theirs = {(o["method"], o["path"]) for o in CONTRACT["operations"].values()}
    return [
        (f"`{o.method} {o.path}`", (o.function.__doc__ or "").partition("\n")[0])
        for o in OPERATIONS
        if (o.method, o.path) not in theirs
    ]


def tests_of_operations(file: Path) -> dict[str, list[str]]:
    """The tests of a file that call `caller.<operation>`, by the operation's Python name."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    through = {f.name: _attributes(f) for f in functions if not f.name.startswith("test")}
    found: dict[str, list[str]] = {}
    for test in functions:
        if test.name.startswith("test"):
            used = _attributes(test)
            for name in used | set[str]().union(*(through.get(name, set()) for name in used)):
                found.setdefault(name, []).append(test.name)
    return found


def _attributes(function: ast.FunctionDef) -> set[str]:
    return {
        node.attr
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in ("caller", "self")
    }


def _of_fields(name: str, operation: dict[str, Any]) -> Iterator[str]:
    for field in sorted(OPTIONAL.get(name, ())):
        yield f"`{field}` may be left out"
    for (owner, field), size in PAGES.items():
        if owner == name:
            yield f"`{field}` is {size} if left out"
    for model in _models(operation["body_model"]):
        yield from _of_request(model)
    for model in _models(operation["response_model"]):
        yield from _of_answer(model)


def _of_request(model: str) -> Iterator[str]:
    for field in sorted(OUR_FIELDS.get(model, ())):
        yield f"takes `{field}` too"
    for field in sorted(IGNORED.get(model, ())):
        yield f"ignores `{field}`: the service decides it"
    for field in sorted(OPTIONAL_FIELDS.get(model, ())):
        yield f"`{field}` of a {model} may be left out"
    for field in sorted(NEEDED.get(model, ())):
        yield f"`{field}` of a {model} is needed"


def _of_answer(model: str) -> Iterator[str]:
    for field in sorted(OUR_FIELDS.get(model, ())):
        yield f"answers `{field}` too"
    for field in sorted(OUR_VALUES.keys() & MODELS[model]["fields"].keys()):
        if "enum" in MODELS[model]["fields"][field]:
            yield f"`{field}` can be {', '.join(sorted(OUR_VALUES[field]))}"


def _models(first: str | None) -> list[str]:
    """A model and those that its fields are made of, each once."""
    found: list[str] = []
    waiting = [first] if first else []
    while waiting:
        if (model := waiting.pop(0)) in found:
            continue
        found.append(model)
        for field in MODELS[model]["fields"].values():
            inner = field["schema"].get("items", field["schema"])
            if inner["kind"] == "object":
                waiting.append(inner["model"])
    return found


def _short(test: str) -> str:
    return test.removeprefix("tests/").removeprefix("compat/")
