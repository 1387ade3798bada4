"""Languages that texts for people exist in."""

from enum import StrEnum


class Language(StrEnum):
    """Values are those of the API's X-Language header."""

    ENGLISH = "en-us"
    CHINESE = "zh-cn"

    @classmethod
    def of(cls, header: str | None) -> "Language":
        """The language a header asks for first; English if it names none that we have."""
        for wish in (header or "").lower().split(","):
            for language in cls:
                if wish.strip()[:2] == language[:2]:
                    return language
        return cls.ENGLISH
