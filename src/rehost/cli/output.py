"""How commands print: pictures on a terminal, plain text into a pipe, JSON for scripts."""

import json
import os
import sys

from rich.console import Console, RenderableType
from rich.json import JSON

from rehost.cli.look import ASCII, UNICODE, Look

PIPED_WIDTH = 100  # of pictures; terminals and COLUMNS say their own
UNLIMITED = 10_000  # of tables in a pipe: nothing is cut or wrapped, so that grep and awk work


def console() -> Console:
    """Of standard output. Knows NO_COLOR, FORCE_COLOR and TERM=dumb."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPED_WIDTH
    return Console(width=width, highlight=False, soft_wrap=False)


def look(out: Console) -> Look:
    """ASCII if the terminal's encoding has no more, or REHOST_ASCII is set."""
    if os.environ.get("REHOST_ASCII"):
        return ASCII
    return UNICODE if out.encoding.lower().startswith("utf") else ASCII


def show(renderable: RenderableType, out: Console | None = None) -> None:
    """In a pipe without the spaces that fill lines on a terminal."""
    out = out or console()
    if out.is_terminal:
        out.print(renderable)
        return
    with out.capture() as capture:
        out.print(renderable)
    print("\n".join(line.rstrip() for line in capture.get().splitlines()), flush=True)


def show_table(table: RenderableType) -> None:
    out = console()
    if not out.is_terminal:
        out.width = UNLIMITED
    show(table, out)


def show_json(value: object) -> None:
    """The service's JSON, indented; in colours on a terminal."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    out = console()
    if out.is_terminal:
        out.print(JSON(text, indent=2, ensure_ascii=False), soft_wrap=True)
    else:
        print(text)


def note(text: str) -> None:
    """Beside a command's result: what was done, what to do next."""
    Console(stderr=True, highlight=False).print(text, markup=False, soft_wrap=True)
