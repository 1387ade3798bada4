"""Files of [Section] and key=value (systemd's and NetworkManager's), changed line by line.

What is not changed stays byte for byte. Lines that are neither are nobody's: they stay too.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from rehost.stages.convert.network.draft import comment, ending, lines

COMMENTS = ("#", ";")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """`section` counts: systemd's sections may come twice, one [Address] for each address.

    `first` and `last` are its lines: a backslash goes on in the next line.
    """

    section: int
    name: str
    key: str
    value: str
    first: int
    last: int


class Sections:
    """Indexes are those of the text that was given, whatever has been changed since."""

    def __init__(self, text: str) -> None:
        self._lines = lines(text)
        self._headers: list[tuple[int, str]] = []
        self.entries: list[Entry] = list(self._parse())

    def values(self, section: str, key: str) -> list[str]:
        return [e.value for e in self.find(section, key)]

    def find(self, section: str, *keys: str) -> list[Entry]:
        return [e for e in self.entries if e.name == section and e.key in keys]

    def pairs(self, section: str) -> list[tuple[str, str]]:
        """Keys and values of all sections of this name."""
        return [(e.key, e.value) for e in self.entries if e.name == section]

    def numbers(self, section: str) -> list[int]:
        return [at for at, (_, name) in enumerate(self._headers) if name == section]

    def replace(self, entry: Entry, value: str) -> None:
        """In the entry's first line; what the entry had in further lines goes."""
        line = self._lines[entry.first]
        before, _, after = line.partition("=")
        space = after[: len(after) - len(after.lstrip(" \t"))].rstrip("\r\n")
        self._lines[entry.first] = f"{before}={space}{value}{ending(line)}"
        for at in range(entry.first + 1, entry.last + 1):
            self._lines[at] = ""

    def take_out(self, entry: Entry) -> None:
        for at in range(entry.first, entry.last + 1):
            self._lines[at] = comment(self._lines[at])

    def take_out_section(self, number: int) -> None:
        """Its header too: an empty section may mean something."""
        header = self._headers[number][0]
        self._lines[header] = comment(self._lines[header])
        for entry in self.entries:
            if entry.section == number:
                self.take_out(entry)

    def add(self, section: str, line: str) -> None:
        """Below the section's header; the section is made at the end where there is none."""
        numbers = self.numbers(section)
        if not numbers:
            if self._lines and not self._lines[-1].endswith("\n"):
                self._lines[-1] += "\n"
            self._lines.append(f"\n[{section}]\n{line}\n")
            return
        at = self._headers[numbers[0]][0]
        end = ending(self._lines[at])
        self._lines[at] = self._lines[at].rstrip("\r\n") + end + line + end

    def text(self) -> str:
        return "".join(self._lines)

    def _parse(self) -> Iterator[Entry]:
        at = 0
        while at < len(self._lines):
            first, stripped = at, self._lines[at].strip()
            at += 1
            if not stripped or stripped.startswith(COMMENTS):
                continue
            if stripped.startswith("[") and stripped.endswith("]"):
                self._headers.append((first, stripped[1:-1]))
                continue
            while stripped.endswith("\\") and at < len(self._lines):
                stripped = stripped[:-1] + " " + self._lines[at].strip()
                at += 1
            key, equals, value = stripped.partition("=")
            if equals and self._headers:
                yield Entry(
                    section=len(self._headers) - 1,
                    name=self._headers[-1][1],
                    key=key.strip(),
                    value=value.strip(),
                    first=first,
                    last=at - 1,
                )
