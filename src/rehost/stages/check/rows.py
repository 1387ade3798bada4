"""Findings as the API shows them."""

from collections.abc import Sequence

from rehost.model.check import CheckRow, Finding, Result
from rehost.model.language import Language
from rehost.stages.check.texts import describe
from rehost.stages.check.texts.fit import fit

MAX_TEXT = 255  # the API's limit for each text of a row
# More rows of one source than there can ever be checks, so that ids stay unique.
IDS_PER_SOURCE = 1000


def rows(
    findings: Sequence[Finding], source_number: int, language: Language
) -> tuple[CheckRow, ...]:
    """The rows of a source, in order; their ids are unique among all sources and stable."""
    first = source_number * IDS_PER_SOURCE
    return tuple(_row(finding, number, language) for number, finding in enumerate(findings, first))


def _row(finding: Finding, number: int, language: Language) -> CheckRow:
    params = tuple(fit((param,), MAX_TEXT, language) for param in finding.params) or ("",)
    if finding.result is Result.OK:
        return CheckRow(
            id=number,
            params=params,
            name=finding.check,
            result=finding.result,
            error_code=None,
            error_or_warn=None,
            error_params="",
        )
    message, remedy = describe(finding, language)
    return CheckRow(
        id=number,
        params=params,
        name=finding.check,
        result=finding.result,
        error_code=finding.code,
        error_or_warn=message,
        error_params=fit(finding.params, MAX_TEXT, language, separator=";"),
        remedy=remedy,
    )
