"""Limits of values that cross the wire, as sms-v3 states them.

They are checked where a value enters the service, by msgspec. The agent only sends, and runs on
the standard library alone: there the limits are inert.
"""

from typing import Annotated

try:
    from msgspec import Meta
except ImportError:

    class Meta:  # type: ignore[no-redef]
        """Stands in for msgspec's where nothing is validated."""

        def __init__(self, **_: object) -> None: ...


__all__ = ["WORD", "Count", "Int", "Long", "LongText", "Meta", "Name", "Text", "WordName"]

Text = Annotated[str, Meta(max_length=255)]
LongText = Annotated[str, Meta(max_length=1024)]
Name = Annotated[str, Meta(min_length=1, max_length=255)]
# Letters of any script, digits, "_" and "-". "$" would also stand before a last newline.
WORD = r"^[\w-]+(?![\s\S])"
WordName = Annotated[str, Meta(min_length=1, max_length=255, pattern=WORD)]
Long = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Int = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Count = Annotated[int, Meta(ge=0, le=65535)]
