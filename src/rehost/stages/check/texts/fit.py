"""Lists of any length, in a text of limited length."""

from collections.abc import Sequence

from rehost.model.language import Language

AND_MORE = {Language.ENGLISH: " and {} more", Language.CHINESE: "，另有 {} 项"}


def fit(items: Sequence[str], room: int, language: Language, separator: str | None = None) -> str:
    """The items in at most `room` characters: those that fit, then how many more there are."""
    separator = separator or (", " if language is Language.ENGLISH else "、")
    # Beyond these none fits, as each adds a separator; and there may be tens of thousands.
    shown = min(len(items), room + 1)
    text = separator.join(items[:shown])
    more = "" if shown == len(items) else AND_MORE[language].format(len(items) - shown)
    while shown > 1 and len(text) + len(more) > room:
        shown -= 1
        text = separator.join(items[:shown])
        more = AND_MORE[language].format(len(items) - shown)
    return cut(text, room - len(more)) + more


def cut(text: str, room: int) -> str:
    """The text itself, or its beginning and "…"."""
    return text if len(text) <= room else text[: max(0, room - 1)] + "…"
