"""/etc/network/interfaces (ifupdown), changed line by line; what is not changed stays as it is."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from rehost.stages.convert.network.draft import comment, ending, lines

KEYWORD = re.compile(
    r"(iface|mapping|auto|allow-\S+|no-auto-down|no-scripts|source|source-directory|rename|template)$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    key: str
    value: str
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stanza:
    """`words` follow the keyword. A backslash goes on in the next line."""

    keyword: str
    words: tuple[str, ...]
    first: int
    last: int
    options: list[Option] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.words[0] if self.words else ""

    @property
    def card(self) -> str:
        """eth0 of its further addresses eth0:1, too."""
        return self.name.partition(":")[0]

    @property
    def family(self) -> str:
        return self.words[1] if len(self.words) > 1 else ""

    @property
    def method(self) -> str:
        return self.words[2] if len(self.words) > 2 else ""

    def values(self, *keys: str) -> list[str]:
        """Words of these options; ifupdown takes "-" and "_" for the same."""
        found = (o for o in self.options if o.key.replace("_", "-") in keys)
        return [word for o in found for word in o.value.split()]


class Stanzas:
    def __init__(self, text: str) -> None:
        self._lines = lines(text)
        self.stanzas: list[Stanza] = list(self._parse())

    def interfaces(self) -> list[Stanza]:
        return [s for s in self.stanzas if s.keyword == "iface"]

    def set_method(self, stanza: Stanza, method: str) -> None:
        whole = "".join(self._lines[stanza.first : stanza.last + 1])
        pattern = rf"(\s{stanza.family}[\s\\]+){stanza.method}"
        self._lines[stanza.first] = re.sub(pattern, rf"\g<1>{method}", whole, count=1)
        for at in range(stanza.first + 1, stanza.last + 1):
            self._lines[at] = ""

    def take_out(self, part: Option | Stanza) -> None:
        """A stanza goes with its options."""
        for at in range(part.first, part.last + 1):
            self._lines[at] = comment(self._lines[at])
        for option in part.options if isinstance(part, Stanza) else ():
            self.take_out(option)

    def take_out_word(self, stanza: Stanza, word: str) -> None:
        """Of a list of interfaces (auto, allow-…); without the last of them, the line goes."""
        if set(stanza.words) == {word}:
            self.take_out(stanza)
            return
        pattern = re.compile(rf"\s+{re.escape(word)}(?=\s|$)")
        for at in range(stanza.first, stanza.last + 1):
            self._lines[at] = pattern.sub("", self._lines[at].rstrip("\r\n")) + ending(
                self._lines[at]
            )

    def text(self) -> str:
        return "".join(self._lines)

    def _parse(self) -> Iterator[Stanza]:
        stanza: Stanza | None = None
        for first, last, line in self._logical():
            key, _, value = (line.replace("\t", " ") + " ").partition(" ")
            if KEYWORD.match(key):
                stanza = Stanza(keyword=key, words=tuple(value.split()), first=first, last=last)
                yield stanza
            elif stanza is not None:
                stanza.options.append(Option(key=key, value=value.strip(), first=first, last=last))

    def _logical(self) -> Iterator[tuple[int, int, str]]:
        at = 0
        while at < len(self._lines):
            first, line = at, self._lines[at].strip()
            at += 1
            if not line or line.startswith("#"):
                continue
            while line.endswith("\\") and at < len(self._lines):
                line = line[:-1] + " " + self._lines[at].strip()
                at += 1
            yield first, at - 1, line.strip()
