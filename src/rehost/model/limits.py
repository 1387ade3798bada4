"""Limits of values that cross the wire, as sms-v3 states them.

They are checked where a value enters the service, by msgspec. The agent runs on the standard
library alone; it looks at the lengths of texts only, so that one text does not cost the report.
"""

from typing import Annotated, Any, get_args

try:
    from msgspec import Meta
except ImportError:

    class Meta:  # type: ignore[no-redef]
        """Stands in for msgspec's where nothing is validated."""

        def __init__(self, *, max_length: int | None = None, **_: object) -> None:
            self.max_length = max_length


__all__ = [
    "LONGEST",
    "WORD",
    "Count",
    "Int",
    "Long",
    "LongText",
    "Meta",
    "Name",
    "Text",
    "WordName",
    "max_length",
]

Text = Annotated[str, Meta(max_length=255)]
LongText = Annotated[str, Meta(max_length=1024)]
Name = Annotated[str, Meta(min_length=1, max_length=255)]
# Letters of any script, digits, "_" and "-". "$" would also stand before a last newline.
WORD = r"^[\w-]+(?![\s\S])"
WordName = Annotated[str, Meta(min_length=1, max_length=255, pattern=WORD)]
LONGEST = 2**63 - 1
Long = Annotated[int, Meta(ge=0, le=LONGEST)]
Int = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Count = Annotated[int, Meta(ge=0, le=65535)]


def max_length(annotation: Any) -> int | None:  # noqa: ANN401 - any annotation
    """The most characters that a field's text may have, None if it has no limit."""
    for part in get_args(annotation):
        limit = part.max_length if isinstance(part, Meta) else max_length(part)
        if limit is not None:
            return limit
    return None
