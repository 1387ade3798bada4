"""One look at one machine: the host, and what could not be had of it."""

from collections.abc import Callable
from typing import TypeVar

from rehost.errors import FileMissing, HostError
from rehost.model.server import Missing
from rehost.system.host import Host

T = TypeVar("T")

REASON_LIMIT = 1024  # characters, as in the model


class Survey:
    """Used by several threads at once."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._missing: set[Missing] = set()

    def attempt(self, fact: str, question: Callable[[], T]) -> T | None:
        """The answer; None, and a word in `missing`, if the host cannot give it."""
        try:
            return question()
        except HostError as e:
            self.miss(fact, str(e))
            return None

    def miss(self, fact: str, reason: str) -> None:
        self._missing.add(Missing(fact=fact, reason=reason[:REASON_LIMIT]))

    @property
    def missing(self) -> tuple[Missing, ...]:
        return tuple(sorted(self._missing, key=lambda m: (m.fact, m.reason)))

    def text(self, path: str, default: str | None = None) -> str:
        """A file's text without space around it. A file that is not there has the default."""
        try:
            return self.host.read(path).decode(errors="replace").strip()
        except FileMissing:
            if default is None:
                raise
            return default

    def exists(self, path: str) -> bool:
        try:
            self.host.resolve(path)
        except FileMissing:
            return False
        return True

    def entries(self, folder: str) -> tuple[str, ...]:
        """The names in a folder; none if it is not there."""
        try:
            return self.host.entries(folder)
        except FileMissing:
            return ()

    def grep(self, path: str, pattern: str) -> tuple[str, ...]:
        """The lines with the pattern; none if the file is not there."""
        try:
            return self.host.grep(path, pattern)
        except FileMissing:
            return ()
