"""Where things stand in a YAML text. PyYAML finds them; the text itself is changed only there.

A YAML writer, even one that keeps comments, would write the whole file anew in its own way.
"""

from collections.abc import Iterator

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode


def parse(text: str) -> Node | None:
    """None for an empty text. Raises ValueError for what is not one YAML document."""
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as e:
        raise ValueError(str(e)) from e
    except (ValueError, OverflowError, IndexError, TypeError, AttributeError) as e:
        raise ValueError(str(e)) from e


def scalars(root: Node | None) -> Iterator[ScalarNode]:
    """Each once, though aliases may lead to it by several ways, or in circles."""
    seen: set[int] = set()
    waiting = [root] if root else []
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, ScalarNode):
            yield node
        elif isinstance(node, SequenceNode):
            waiting += node.value
        elif isinstance(node, MappingNode):
            waiting += [part for pair in node.value for part in pair]


def pairs(node: Node | None) -> list[tuple[ScalarNode, Node]]:
    """Of a mapping, those whose key is a word; [] of anything else."""
    if not isinstance(node, MappingNode):
        return []
    return [(key, value) for key, value in node.value if isinstance(key, ScalarNode)]


def get(node: Node | None, *keys: str) -> Node | None:
    """What stands there; the last of several."""
    for key in keys:
        node = next((v for k, v in reversed(pairs(node)) if k.value == key), None)
    return node


def word(node: Node | None) -> str:
    return node.value if isinstance(node, ScalarNode) else ""
