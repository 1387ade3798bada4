"""Which source an operator means: by id, by the beginning of an id, or by name."""

from collections.abc import Iterator
from typing import Any

from rehost.cli.document import Json, rows, text
from rehost.contract.client import Client, Query
from rehost.errors import AmbiguousSource, SourceNotFound

PAGE = 200
LAST_OFFSET = 65535
ID_LENGTH = 36


def source_id(client: Client, wanted: str) -> str:
    """Raises SourceNotFound or AmbiguousSource."""
    if len(wanted) == ID_LENGTH and wanted.count("-") == 4:
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
        raise AmbiguousSource(wanted, tuple(found))
    return next(iter(found))


def every_source(client: Client, filters: Query) -> Iterator[Json]:
    """All sources that match, page by page."""
    offset = 0
    while offset <= LAST_OFFSET:
        page = list_sources(client, {**filters, "limit": PAGE, "offset": offset})
        found = rows(page, "source_servers")
        yield from found
        if len(found) < PAGE:
            return
        offset += PAGE


def list_sources(client: Client, query: Query) -> Any:  # noqa: ANN401 - JSON
    return client.call("GET", "/v3/sources", query=query).body
