"""What an operator means: a source or task by id, by the beginning of an id, or by name; a template
or migration project by id or name.
"""

from collections.abc import Callable, Iterator
from typing import Any

from rehost.cli.document import Json, part, rows, text
from rehost.contract.client import Client, Query
from rehost.errors import Ambiguous, MigprojectNotFound, SourceNotFound, TemplateNotFound
from rehost.task_errors import TaskNotFound

PAGE = 200
SHORT_PAGE = 100  # of templates and migration projects
LAST_OFFSET = 65535
ID_LENGTH = 36


def source_id(client: Client, wanted: str) -> str:
    """Raises SourceNotFound or Ambiguous."""
    if _is_id(wanted):
        return wanted
    found = {
        text(s, "id"): s
        for s in every_source(client, {"name": wanted})
        if text(s, "name") == wanted
    }
    if not found:
        every = every_source(client, {})
        found = {text(s, "id"): s for s in every if text(s, "id").startswith(wanted)}
    if not found or not wanted:
        raise SourceNotFound(wanted)
    if wanted in found:
        return wanted
    if len(found) > 1:
        raise Ambiguous(wanted, tuple(found))
    return next(iter(found))


def task_id(client: Client, wanted: str) -> str:
    """By its own id or name, or by the source that it is the task of, newest first.

    Raises TaskNotFound or Ambiguous.
    """
    if _is_id(wanted):
        return wanted
    every = list(every_task(client, {})) if wanted else []
    # A task may be named as the source of another: asking is better than guessing.
    for ways in ((_is_named, _source_is_named), (_begins,), (_is_of_source,)):
        found: dict[str, Json] = {}
        for fits in ways:
            found |= _newest_of_each_source([task for task in every if fits(task, wanted)])
        if len(found) > 1:
            raise Ambiguous(wanted, tuple(found), "tasks")
        if found:
            return next(iter(found))
    raise TaskNotFound(f"task {wanted!r}")


def every_task(client: Client, filters: Query) -> Iterator[Json]:
    """All tasks that match, newest first, page by page."""
    return _paged(lambda page: rows(list_tasks(client, page), "tasks"), filters)


def list_tasks(client: Client, query: Query) -> Any:  # noqa: ANN401 - JSON
    return client.call("GET", "/v3/tasks", query=query).body


def every_source(client: Client, filters: Query) -> Iterator[Json]:
    """All sources that match, page by page."""
    return _paged(lambda page: rows(list_sources(client, page), "source_servers"), filters)


def list_sources(client: Client, query: Query) -> Any:  # noqa: ANN401 - JSON
    return client.call("GET", "/v3/sources", query=query).body


def template_id(client: Client, wanted: str) -> str:
    """By id or name. Raises TemplateNotFound or Ambiguous."""
    found = _known(every_template(client), wanted)
    if len(found) > 1:
        raise Ambiguous(wanted, found, "server templates")
    if not found:
        raise TemplateNotFound(wanted)
    return found[0]


def every_template(client: Client) -> Iterator[Json]:
    return _every(client, "/v3/vm/templates", "templates")


def migproject_id(client: Client, wanted: str) -> str:
    """By id or name, which are unique. Raises MigprojectNotFound."""
    found = _known(every_migproject(client), wanted)
    if not found:
        raise MigprojectNotFound(wanted)
    return found[0]


def every_migproject(client: Client) -> Iterator[Json]:
    return _every(client, "/v3/migprojects", "migprojects")


def _every(client: Client, path: str, name: str) -> Iterator[Json]:
    def look(page: Query) -> list[Json]:
        return rows(client.call("GET", path, query=page).body, name)

    return _paged(look, {}, length=SHORT_PAGE)


def _known(every: Iterator[Json], wanted: str) -> tuple[str, ...]:
    """The ids of those that have this id or name."""
    return tuple(
        text(each, "id") for each in every if wanted in (text(each, "id"), text(each, "name"))
    )


def _is_id(wanted: str) -> bool:
    return len(wanted) == ID_LENGTH and wanted.count("-") == 4


def _is_named(task: Json, wanted: str) -> bool:
    return wanted == text(task, "name")


def _source_is_named(task: Json, wanted: str) -> bool:
    return wanted == text(part(task, "source_server"), "name")


def _begins(task: Json, wanted: str) -> bool:
    return text(task, "id").startswith(wanted)


def _is_of_source(task: Json, wanted: str) -> bool:
    return text(part(task, "source_server"), "id").startswith(wanted)


def _newest_of_each_source(found: list[Json]) -> dict[str, Json]:
    """By id. Whoever names a task by a name that its source's earlier ones had too, means it."""
    newest: dict[str, Json] = {}
    for task in found:
        newest.setdefault(text(part(task, "source_server"), "id"), task)
    return {text(task, "id"): task for task in newest.values()}


def _paged(
    look: Callable[[Query], list[Json]], filters: Query, *, length: int = PAGE
) -> Iterator[Json]:
    for offset in range(0, LAST_OFFSET + 1, length):
        found = look({**filters, "limit": length, "offset": offset})
        yield from found
        if len(found) < length:
            return
