"""Log lines of a process: text for a person at a terminal, JSON for whatever collects them."""

import json
import logging
from collections import deque
from datetime import UTC, datetime
from typing import TextIO


def to(stream: TextIO, *, verbose: bool = False) -> None:
    """Send all log records of this process to `stream`, and nowhere else."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")
        if stream.isatty()
        else JsonLines()
    )
    level = logging.DEBUG if verbose else logging.INFO
    logging.basicConfig(handlers=[handler], level=level, force=True)


class Recent(logging.Handler):
    """Keeps the last lines in memory, for who asks for the log of a process that has no file."""

    def __init__(self, lines: int = 10_000) -> None:
        super().__init__()
        self._lines: deque[str] = deque(maxlen=lines)
        self.setFormatter(JsonLines())

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))

    def content(self) -> bytes:
        return "".join(f"{line}\n" for line in list(self._lines)).encode()


def keep_recent() -> Recent:
    """From now on, all that this process logs."""
    recent = Recent()
    logging.getLogger().addHandler(recent)
    return recent


class JsonLines(logging.Formatter):
    """One object a line: time (UTC), level, logger, message; error with its trace if there is."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
