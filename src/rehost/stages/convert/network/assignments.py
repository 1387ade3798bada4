"""ifcfg files: NAME=value as a shell reads it, changed line by line."""

import re
from collections.abc import Iterable

from rehost.stages.convert.network.draft import comment, ending, lines

ASSIGNMENT = re.compile(
    r"""(\s*(?:export\s+)?)([A-Za-z_]\w*)=(?:"([^"]*)"|'([^']*)'|([^\s#'"]*))"""
)


class Assignments:
    """Values of several assignments to one name: the last counts."""

    def __init__(self, text: str) -> None:
        self._lines = lines(text)
        self._found = {
            at: m for at, line in enumerate(self._lines) if (m := ASSIGNMENT.match(line))
        }

    def get(self, name: str) -> str:
        values = [_value(m) for m in self._found.values() if m.group(2) == name]
        return values[-1] if values else ""

    def names(self, pattern: str) -> list[str]:
        found = (m.group(2) for m in self._found.values())
        return [name for name in dict.fromkeys(found) if re.fullmatch(pattern, name)]

    def set(self, name: str, value: str) -> None:
        """In its place and quotes if it is there, else at the end."""
        there = [at for at, m in self._found.items() if m.group(2) == name]
        for at in there:
            line, quote = self._lines[at], _quote(self._found[at])
            rest = line[self._found[at].end() :]
            self._lines[at] = f"{self._found[at].group(1)}{name}={quote}{value}{quote}{rest}"
        if not there:
            if self._lines and not self._lines[-1].endswith("\n"):
                self._lines[-1] += "\n"
            end = ending(self._lines[-1]) if self._lines else "\n"
            self._lines.append(f"{name}={value}{end}")

    def take_out(self, names: Iterable[str]) -> None:
        gone = set(names)
        for at, found in self._found.items():
            if found.group(2) in gone:
                self._lines[at] = comment(self._lines[at])

    def text(self) -> str:
        return "".join(self._lines)


def _value(found: re.Match[str]) -> str:
    return next((group for group in found.groups()[2:] if group is not None), "")


def _quote(found: re.Match[str]) -> str:
    return '"' if found.group(3) is not None else "'" if found.group(4) is not None else ""
