"""Which operations take the id that another one gives: the document's links."""

from collections.abc import Iterable, Mapping
from typing import Any

from rehost.control.operation import Operation

# By the operation that makes something: the path parameters that its `id` is for.
IDS: Mapping[str, tuple[str, ...]] = {
    "register_server": ("source_id", "server_id"),
    "create_task": ("task_id",),
    "create_template": ("id",),
    "create_migproject": ("mig_project_id",),
}


def links(maker: Operation, operations: Iterable[Operation]) -> dict[str, Any]:
    """Links from the answer of `maker`, by name; none if it makes nothing."""
    return {
        operation.name: {
            "operationId": operation.name,
            "parameters": {name: "$response.body#/id"},
        }
        for operation in operations
        for name in IDS.get(maker.name, ())
        if f"{{{name}}}" in operation.path
    }
