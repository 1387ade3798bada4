"""Shell completion of sources and tasks, asked from the service: quick, silent if that fails."""

from rehost.cli import session
from rehost.cli.document import part, rows, text
from rehost.contract.connection import Timeouts

AT_MOST = 50
PATIENCE_S = 1  # a person waits for the answer with a finger on the key


def complete_source(incomplete: str) -> list[tuple[str, str]]:
    """Names and ids that begin so, with what tells them apart. Never raises."""
    try:
        return _candidates(incomplete)
    except Exception:  # a shell's prompt is no place for messages
        return []


def complete_task(incomplete: str) -> list[tuple[str, str]]:
    """Names and ids of tasks that begin so. Never raises."""
    try:
        return _tasks(incomplete)
    except Exception:
        return []


def _tasks(incomplete: str) -> list[tuple[str, str]]:
    client = session.connect(timeouts=Timeouts(connect_s=PATIENCE_S, answer_s=PATIENCE_S))
    query = {"limit": AT_MOST if not incomplete else 200}
    found = []
    for task in rows(client.call("GET", "/v3/tasks", query=query).body, "tasks"):
        name, task_id, state = (text(task, field) for field in ("name", "id", "state"))
        if name.startswith(incomplete):
            found.append((name, f"{text(part(task, 'source_server'), 'name')} {state}"))
        elif task_id.startswith(incomplete):
            found.append((task_id, name))
    return found[:AT_MOST]


def _candidates(incomplete: str) -> list[tuple[str, str]]:
    client = session.connect(timeouts=Timeouts(connect_s=PATIENCE_S, answer_s=PATIENCE_S))
    query = {"limit": AT_MOST if not incomplete else 200}
    found = []
    for source in rows(client.call("GET", "/v3/sources", query=query).body, "source_servers"):
        name, source_id, state = (text(source, field) for field in ("name", "id", "state"))
        if name.startswith(incomplete):
            found.append((name, f"{text(source, 'os_version')} {state}"))
        elif source_id.startswith(incomplete):
            found.append((source_id, name))
    return found[:AT_MOST]
