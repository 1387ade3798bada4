"""Writes the documents that are made from code. To add one: a function, and a line in DOCUMENTS."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from scripts import compat_document

from rehost import (
    convert_errors,
    cutover_errors,
    demo_errors,
    errors,
    identity_errors,
    provider_errors,
    stream_errors,
    task_errors,
)
from rehost.model.language import Language
from rehost.model.task import BUSY_STATES, TaskState
from rehost.stages import task
from rehost.stages.check import CHECKS, os_version
from rehost.stages.check.rule import Check
from rehost.stages.check.texts import CATALOGUES

MODULES = tuple(
    module.__name__
    for module in (
        errors,
        identity_errors,
        provider_errors,
        task_errors,
        stream_errors,
        cutover_errors,
        convert_errors,
        demo_errors,
    )
)
NOTE = "<!-- Made by scripts/docs. Change the code, not this file. -->\n\n"


def checks() -> str:
    where: dict[str, tuple[Check, list[str]]] = {}
    for os_type, (public, own) in CHECKS.items():
        for check in public + own:
            where.setdefault(check.name, (check, []))[1].append(os_type.title())
    texts = CATALOGUES[Language.ENGLISH]
    problems = {p.code: (p, check) for check, _ in where.values() for p in check.problems}
    owners = {
        code: check.name if code not in ("REHOST.5001", "REHOST.5002") else "any"
        for code, (_, check) in problems.items()
    }
    return (
        "# Feasibility checks\n\n"
        "What is judged when a source is registered, in the order of the answer's `checks`. A "
        "source with an ERROR is `unavailable`; a WARN needs a look, and the migration can go "
        "on. Sizes are binary: 1 MB is 1,048,576 bytes.\n\n"
        + _table(
            ("check", "applies to", "what is wanted"),
            ((c.name, ", ".join(systems), c.rule) for c, systems in where.values()),
        )
        + "\n## Systems\n\nLinux, first and last release: "
        + ", ".join(f"{name} {first}–{last}" for name, (first, last) in os_version.LINUX.items())
        + ".\n\nWindows: "
        + ", ".join(sorted(os_version.WINDOWS))
        + ".\n\n## Codes\n\n"
        + _table(
            ("code", "check", "result", "what is wrong", "what to do"),
            (
                (code, owners[code], problems[code][0].result, *map(_unfilled, texts[code]))
                for code in sorted(problems)
            ),
        )
    )


def failures() -> str:
    return (
        "# Errors\n\n"
        "What the service and its programs answer with. *Again* says whether the same request may "
        "succeed later, unchanged.\n\n"
        + _table(
            ("code", "HTTP", "again", "meaning"),
            (
                (e.code, str(e.status.value), "yes" if e.retryable else "no", _paragraph(e))
                for e in sorted(_classes(errors.Error), key=lambda e: e.code)
            ),
        )
    )


def task_states() -> str:
    return (
        "# What a task does next\n\n"
        "An action that is not in the table for the state of the task is refused "
        f"({task_errors.TaskRefuses.code}); news that is not in it came late, and changes nothing. "
        f"A task in one of {', '.join(sorted(BUSY_STATES))} cannot be deleted "
        f"({task_errors.TaskRunning.code}). While a task is in a state, its source is in that "
        "of the second table.\n\n"
        + _table(
            ("state", "action or news", "new state", "command to the agent"),
            (
                (state, event, step.state, step.command or "-")
                for state in TaskState
                for table in (task.ACTIONS, task.REPORTS)
                for (at, event), step in table.items()
                if at is state
            ),
        )
        + "\n"
        + _table(
            ("task", "source", "migration cycle"),
            (
                (state, standing[0], standing[1])
                for state in TaskState
                if (standing := task.STANDINGS.get(state))
            ),
        )
    )


def compat() -> str:
    rows = list(compat_document.rows())
    verdicts = {v: sum(row[2] == v for row in rows) for v in ("same", "different", "absent")}
    counted = ", ".join(f"{amount} {verdict}" for verdict, amount in verdicts.items())
    return (
        "# The SMS v3 API, operation by operation\n\n"
        f"The API's contract has {len(rows)} operations; here they are: {counted}. *Same* means: "
        "method, path, parameters, fields, types, required fields and values are the contract's, "
        "no limit is narrower, and the public Python SDK, unmodified, drives it. *Different* is "
        "said in the first half-sentences of its notes; the rest are rules that the API's "
        "description leaves open. Tests are in tests/compat, or in the folder that they "
        "name; `test_contract.py` compares every name, type and limit.\n\n"
        + _table(("operation", "", "", "notes", "shown by"), rows)
        + "\n## Everywhere\n\n"
        "- Answers to failures have `error_code` and `error_msg` as texts at the top, 403 the "
        "three further fields; `X-Request-Id` is always sent.\n"
        "- Malformed bodies are 400, too large ones 413 (SMS.2005), wrong content types 415 "
        "(SMS.2006); the message names the field. Codes of our own begin with REHOST: "
        "[errors.md](errors.md).\n"
        "- What another project has is not there: 404 or an empty list, whoever asks.\n"
        "- The path `/v3/{task_id}/update-network-check-info` has its id in front and is told "
        "apart from all others.\n"
        "\n## Beyond the contract\n\n" + _table(("", "what it does"), compat_document.ours())
    )


DOCUMENTS = {
    "docs/compat.md": compat,
    "docs/checks.md": checks,
    "docs/errors.md": failures,
    "docs/task-states.md": task_states,
}


def made(path: str) -> str:
    return NOTE + DOCUMENTS[path]()


def _table(head: tuple[str, ...], lines: Iterable[tuple[str, ...]]) -> str:
    rows = [head, tuple("---" for _ in head), *lines]
    return "".join("| " + " | ".join(c.replace("|", "\\|") for c in row) + " |\n" for row in rows)


def _unfilled(text: str) -> str:
    return text.format(*"……", all="…")


def _paragraph(failure: type[errors.Error]) -> str:
    return " ".join((failure.__doc__ or "").split())


def _classes(base: type[errors.Error]) -> Iterator[type[errors.Error]]:
    """Those with a code: the others are there to be inherited from."""
    for failure in base.__subclasses__():
        if hasattr(failure, "code") and failure.__module__ in MODULES:
            yield failure
        yield from _classes(failure)


if __name__ == "__main__":
    for path in DOCUMENTS:
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_text(made(path), encoding="utf-8")
