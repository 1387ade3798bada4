"""A YAML text changed at places that its nodes name; the rest stays byte for byte.

The nodes are those of the text as given (yaml_places.parse). Nothing that an alias stands for can
be taken out: is_plain says whether there are any.
"""

from collections.abc import Iterable, Mapping

import yaml
from yaml.nodes import MappingNode, Node, SequenceNode

from rehost.stages.convert.network.draft import MARK, ending, lines
from rehost.stages.convert.network.yaml_places import pairs, word


class YamlText:
    def __init__(self, text: str) -> None:
        self._text = text
        self._edits: list[tuple[int, int, str]] = []  # start, stop, what stands there then

    def source(self, node: Node) -> str:
        return self._text[node.start_mark.index : node.end_mark.index]

    def replace(self, node: Node, new: str) -> None:
        self._edits.append((node.start_mark.index, node.end_mark.index, new))

    def change(
        self, mapping: MappingNode, *, new: Mapping[str, str], without: Iterable[str]
    ) -> None:
        """Set keys to values, and take keys out.

        What stands on lines of its own goes as comments; between braces there is no room for
        them. A key "nameservers.addresses" is taken out of the mapping within.
        """
        gone = set(without)
        if mapping.flow_style:
            self.replace(mapping, self._between_braces(mapping, new, gone))
            return
        there = {key.value: value for key, value in pairs(mapping)}
        self._insert(mapping, {key: value for key, value in new.items() if key not in there})
        for key, value in pairs(mapping):
            inner = _inner(key.value, gone)
            if key.value in gone:
                self._comment(key.start_mark.index, _end(value))
            elif key.value in new and word(value) != new[key.value]:
                self.replace(value, new[key.value])
            elif inner and isinstance(value, MappingNode):
                self.change(value, new={}, without=inner)

    def text(self) -> str:
        """Edits at one place stand in the order in which they were made."""
        parts, at = [], 0
        for start, stop, new in sorted(self._edits, key=lambda edit: edit[0]):
            parts += [self._text[at:start], new]
            at = max(at, stop)
        return "".join([*parts, self._text[at:]])

    def _between_braces(self, mapping: MappingNode, new: Mapping[str, str], gone: set[str]) -> str:
        there = {key.value for key, _ in pairs(mapping)}
        parts = [f"{key}: {value}" for key, value in new.items() if key not in there]
        for key, value in pairs(mapping):
            name, inner = key.value, _inner(key.value, gone)
            begin = self._text[key.start_mark.index : value.start_mark.index]
            if name in new:
                parts.append(f"{self.source(key)}: {new[name]}")
            elif inner and isinstance(value, MappingNode):
                parts.append(begin + self._between_braces(value, {}, inner))
            elif name not in gone:
                parts.append(begin + self.source(value))
        return "{" + ", ".join(parts) + "}"

    def _insert(self, mapping: MappingNode, new: Mapping[str, str]) -> None:
        """Lines above the first of a mapping."""
        at = mapping.value[0][0].start_mark.index
        line_start = self._text.rfind("\n", 0, at) + 1
        indent = self._text[line_start:at]
        end = ending(self._text[line_start : self._text.find("\n", at) + 1])
        self._edits += [(at, at, f"{key}: {value}{end}{indent}") for key, value in new.items()]

    def _comment(self, start: int, stop: int) -> None:
        for line in lines(self._text[start:stop]):
            body = line.lstrip(" \t")
            if body.strip() and not body.startswith("#"):
                at = start + len(line) - len(body)
                self._edits.append((at, at, MARK))
            start += len(line)


def is_plain(text: str) -> bool:
    """Without aliases."""
    return not any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text))


def _inner(key: str, gone: set[str]) -> set[str]:
    return {name.removeprefix(f"{key}.") for name in gone if name.startswith(f"{key}.")}


def _end(node: Node) -> int:
    """Where its last word ends; the end of a block, as told, is behind comments and blank lines."""
    while isinstance(node, MappingNode | SequenceNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    end: int = node.end_mark.index
    return end
