"""What is written into units of systemd."""

from collections.abc import Iterable


def command_line(words: Iterable[str]) -> str:
    """For ExecStart=: each word stays one word, whatever is in it."""
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if escaped != word or " " in word else word
