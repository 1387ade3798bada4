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

    `code` is "" and `params` empty if the result is OK.
    """

    check: str
    result: Result
    code: str = ""
    params: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """A row of the API's `checks`; texts are in the reader's language."""

    id: int
    params: tuple[str, ...]  # ("",) if there are none
    name: str
    result: Result
    error_code: str | None
    error_or_warn: str | None  # what is wrong, a sentence
    error_params: str
