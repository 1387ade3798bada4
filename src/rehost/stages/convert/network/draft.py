"""The guest's files while they are rewritten: text in and out, and what is said about it.

Text is whatever bytes there are: those that are not UTF-8 survive as surrogates.
"""

import fnmatch
import re
from collections.abc import Iterator, Mapping

from rehost.stages.convert.network.wish import Rewriting

LINE = re.compile(r"[^\n]*\n|[^\n]+")
MARK = "# rehost: "  # before what is not in force any more
LIMIT = 1 << 20  # bytes; nobody writes a larger configuration


class Draft:
    """Files as they would be after the changes so far."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._given = dict(files)
        self._now: dict[str, bytes | None] = dict(files)
        self._changes: dict[str, None] = {}
        self._notes: dict[str, None] = {}

    def paths(self, *patterns: str) -> list[str]:
        """Those that match, as programs read them: by file name, without those of editors."""
        found = [p for p, content in self._now.items() if content is not None]
        found = [p for p in found if any(_matches(p, pattern) for pattern in patterns)]
        return sorted(found, key=lambda path: (path.rpartition("/")[2], path))

    def texts(self, *patterns: str) -> Iterator[tuple[str, str]]:
        """Paths and texts; what is no text is noted and left out."""
        for path in self.paths(*patterns):
            content = self._now[path] or b""
            if b"\0" in content or len(content) > LIMIT:
                self.note(f"{path} is not a text file and was left as it is.")
            else:
                yield path, self.text(path)

    def text(self, path: str) -> str:
        """Of a file that is there."""
        return (self._now[path] or b"").decode("utf-8", "surrogateescape")

    def write(self, path: str, text: str, *why: str) -> None:
        """Nothing is said or done if the text is what is there."""
        content = text.encode("utf-8", "surrogateescape")
        if self._now.get(path) == content:
            return
        self._now[path] = content
        self._changes.update(dict.fromkeys(why))

    def remove(self, path: str, why: str) -> None:
        self._now[path] = None
        self._changes[why] = None

    def note(self, sentence: str) -> None:
        self._notes[sentence] = None

    def result(self) -> Rewriting:
        changed = {p: c for p, c in self._now.items() if c != self._given.get(p)}
        return Rewriting(files=changed, changes=tuple(self._changes), notes=tuple(self._notes))


def lines(text: str) -> list[str]:
    """With their ends. Only a line feed ends a line, as in the programs that read such files."""
    return LINE.findall(text)


def comment(line: str) -> str:
    """The line, no longer in force, its place and content still to be seen."""
    body = line.lstrip(" \t")
    return f"{line[: len(line) - len(body)]}{MARK}{body}"


def ending(line: str) -> str:
    return "\r\n" if line.endswith("\r\n") else "\n"


def _matches(path: str, pattern: str) -> bool:
    """As a shell's: a star does not reach over folders."""
    parts, wanted = path.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatch.fnmatchcase, parts, wanted))
