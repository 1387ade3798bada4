"""ifcfg files: NAME=value as a shell reads it; what is not changed stays byte for byte."""

import re
from collections.abc import Iterable, Iterator

from rehost.stages.convert.network.draft import comment, ending, lines

ASSIGNMENT = re.compile(
    r"""(\s*(?:export\s+)?)([A-Za-z_]\w*)=(?:"([^"]*)"|'([^']*)'|([^\s#'"]*))"""
)
# A line within a value would hardly look so: options of drivers and bonds are in small letters.
OWN = re.compile(r"\s*(?:export\s+)?[A-Z]\w*=")
CONTINUED = re.compile(r"\\\r?\n")


class Assignments:
    """Values of several assignments to one name: the last counts.

    A value may be on several lines, where its quotes are open or a line ends in a backslash, if
    none of them looks like an assignment of its own: the quote or backslash is a stray one then.
    """

    def __init__(self, text: str) -> None:
        self._lines = lines(text)
        self._found = {
            (first, last): m
            for first, last in list(_logical(self._lines))
            if (m := ASSIGNMENT.match("".join(self._lines[first : last + 1])))
        }

    def get(self, name: str) -> str:
        values = [_value(m) for m in self._found.values() if m.group(2) == name]
        return values[-1] if values else ""

    def names(self, pattern: str) -> list[str]:
        found = (m.group(2) for m in self._found.values())
        return [name for name in dict.fromkeys(found) if re.fullmatch(pattern, name)]

    def set(self, name: str, value: str) -> None:
        """In its place and quotes if it is there, else at the end."""
        there = [(at, m) for at, m in self._found.items() if m.group(2) == name]
        for (first, last), m in there:
            quote, rest = _quote(m), m.string[m.end() :]
            self._lines[first] = f"{m.group(1)}{name}={quote}{value}{quote}{rest}"
            self._lines[first + 1 : last + 1] = [""] * (last - first)
        if not there:
            if self._lines and not self._lines[-1].endswith("\n"):
                self._lines[-1] += "\n"
            end = ending(self._lines[-1]) if self._lines else "\n"
            self._lines.append(f"{name}={value}{end}")

    def take_out(self, names: Iterable[str]) -> None:
        gone = set(names)
        for (first, last), found in self._found.items():
            if found.group(2) in gone:
                for at in range(first, last + 1):
                    self._lines[at] = comment(self._lines[at])

    def text(self) -> str:
        return "".join(self._lines)


def _logical(physical: list[str]) -> Iterator[tuple[int, int]]:
    """First and last line of each command. What is open at the end of the file is one line, and so
    is what would swallow assignments.
    """
    at = 0
    while at < len(physical):
        last, quote = at, ""
        while (quote := _open(physical[last], quote)) and last + 1 < len(physical):
            if OWN.match(physical[last + 1]):
                break
            last += 1
        last = at if quote else last
        yield at, last
        at = last + 1


def _open(line: str, quote: str) -> str:
    """What is open at the end of a line that begins within `quote`: a quote, a backslash, or ""."""
    quote = quote.strip("\\")
    at, body = 0, line.rstrip("\r\n")
    while at < len(body):
        char = body[at]
        if char == "\\" and quote != "'":
            at += 1
            if at == len(body):
                return quote + "\\"
        elif quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char == "#" and (at == 0 or body[at - 1].isspace()):
            return ""
        at += 1
    return quote


def _value(found: re.Match[str]) -> str:
    value = next((group for group in found.groups()[2:] if group is not None), "")
    return CONTINUED.sub("", value)


def _quote(found: re.Match[str]) -> str:
    return '"' if found.group(3) is not None else "'" if found.group(4) is not None else ""
