"""Text from elsewhere, for a terminal."""

import unicodedata


def printable(value: object) -> str:
    """As text. Control characters are replaced: names come from other people's machines, and must
    not move the cursor of an administrator's terminal."""
    return "".join("\ufffd" if unicodedata.category(c) == "Cc" else c for c in str(value))
