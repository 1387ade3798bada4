"""What a feasibility check says."""

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    OK = "OK"
    WARN = "WARN"  # the migration can go on; something needs attention
    ERROR = "ERROR"  # the source cannot be migrated as it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The outcome of one check on one source. `code` and `params` fill a text of the catalogue.

    `code` is "" if the result is OK; `params` may then name what the check chose. `also` holds
    what else the same check found: no worse than this, each with another code.
    """

    check: str
    result: Result
    code: str = ""
    params: tuple[str, ...] = ()
    also: tuple["Finding", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """A row of the API's `checks`; texts are in the reader's language.

    `remedy` says what to do, None if nothing: then the encoder leaves it out, as the API has no
    such field and rows that are OK show exactly the API's.
    """

    id: int
    params: tuple[str, ...]  # ("",) if there are none
    name: str
    result: Result
    error_code: str | None
    error_or_warn: str | None  # what is wrong, a sentence
    error_params: str
    remedy: str | None = None
