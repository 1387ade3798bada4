"""The text in which LVM2 writes down a volume group: sections, and values that are numbers,
strings or lists of them. Format: lib/config of lvm2; lvm.conf(5).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rehost.errors import BadFormat

TOKEN = re.compile(
    r"""\s+|\#[^\n]*
    |(?P<string>"(?:[^"\\]|\\.)*")
    |(?P<number>-?\d+(?:\.\d+)?(?![\w.+-]))
    |(?P<name>[\w.+-]+)
    |(?P<sign>[{}\[\]=,])""",
    re.VERBOSE,
)
DEEPEST = 10

Scalar = int | str
Token = tuple[str, str]  # what it is, and its text


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    values: dict[str, tuple[Scalar, ...]]
    sections: dict[str, "Section"]

    def number(self, name: str) -> int:
        """Raises BadFormat if it is not there."""
        found = self.values.get(name, ())
        if len(found) != 1 or not isinstance(found[0], int):
            raise BadFormat(f"LVM's metadata has no number {name}")
        return found[0]

    def text(self, name: str) -> str:
        """Raises BadFormat if it is not there."""
        found = self.values.get(name, ())
        if len(found) != 1 or not isinstance(found[0], str):
            raise BadFormat(f"LVM's metadata has no text {name}")
        return found[0]

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(str(value) for value in self.values.get(name, ()))

    def section(self, name: str) -> "Section":
        return self.sections.get(name, Section(values={}, sections={}))

    def strings(self) -> Iterator[str]:
        """All that are said anywhere in it."""
        yield from (v for found in self.values.values() for v in found if isinstance(v, str))
        for section in self.sections.values():
            yield from section.strings()


def parse(text: str) -> Section:
    """Raises BadFormat."""
    return _section(_tokens(text), depth=0)


def _tokens(text: str) -> Iterator[Token]:
    at = 0
    while at < len(text):
        found = TOKEN.match(text, at)
        if not found:
            raise BadFormat(f"LVM's metadata: {text[at : at + 40]!r}")
        at = found.end()
        if found.lastgroup:
            yield found.lastgroup, found.group()


def _section(tokens: Iterator[Token], *, depth: int) -> Section:
    if depth > DEEPEST:
        raise BadFormat("LVM's metadata is nested too deep")
    values: dict[str, tuple[Scalar, ...]] = {}
    sections: dict[str, Section] = {}
    for kind, text in tokens:
        if (kind, text) == ("sign", "}") and depth:
            return Section(values=values, sections=sections)
        if kind not in ("name", "number", "string"):
            raise BadFormat(f"LVM's metadata: {text[:40]!r} is no name")
        name = text.strip('"')
        if name in values or name in sections:
            raise BadFormat(f"LVM's metadata has {name[:40]} twice")
        sign = _next(tokens)
        if sign == ("sign", "{"):
            sections[name] = _section(tokens, depth=depth + 1)
        elif sign == ("sign", "="):
            values[name] = tuple(_value(tokens))
        else:
            raise BadFormat(f"LVM's metadata has no value for {name[:40]}")
    if depth:
        raise BadFormat("LVM's metadata ends within a section")
    return Section(values=values, sections=sections)


def _value(tokens: Iterator[Token]) -> Iterator[Scalar]:
    token = _next(tokens)
    if token != ("sign", "["):
        yield _scalar(token)
        return
    while (token := _next(tokens)) != ("sign", "]"):
        if token != ("sign", ","):
            yield _scalar(token)


def _scalar(token: Token) -> Scalar:
    kind, text = token
    if kind == "number":
        return int(text.partition(".")[0])
    if kind == "string":
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    raise BadFormat(f"LVM's metadata: {text[:40]!r} is no value")


def _next(tokens: Iterator[Token]) -> Token:
    token = next(tokens, None)
    if token is None:
        raise BadFormat("LVM's metadata ends too early")
    return token
