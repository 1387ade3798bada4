"""What findings say, in the languages there are. A text is (what is wrong, what to do).

`{all}` stands for all params of the finding, `{0}`, `{1}` for single ones.
"""

from string import Formatter

from rehost.model.check import Finding
from rehost.model.language import Language
from rehost.stages.check.texts.chinese import CHINESE
from rehost.stages.check.texts.english import ENGLISH
from rehost.stages.check.texts.fit import cut, fit

CATALOGUES = {Language.ENGLISH: ENGLISH, Language.CHINESE: CHINESE}
MAX_MESSAGE = 255  # the API's limit for error_or_warn
MAX_PARAM = 60  # of a single param, where the text has several


def describe(finding: Finding, language: Language) -> tuple[str, str]:
    """(message, remedy): sentences; the message fits the API. What else the check found follows
    in the remedy. ("", "") if the result is OK."""
    if not finding.code:
        return "", ""
    message, remedy = CATALOGUES[language][finding.code]
    gap = " " if language is Language.ENGLISH else ""
    parts = [_fill(remedy, finding.params, language)]
    for other in finding.also:
        parts.extend(describe(other, language))
    return _fill(message, finding.params, language), gap.join(filter(None, parts))


def _fill(text: str, params: tuple[str, ...], language: Language) -> str:
    """Filled in; fits MAX_MESSAGE if the text itself is well below."""
    fields = {field for _, field, _, _ in Formatter().parse(text) if field is not None}
    singles = [cut(param, MAX_PARAM) for param in params]
    if "all" not in fields:
        return text.format(*singles)
    room = MAX_MESSAGE - len(text.format(*singles, all=""))
    return text.format(*singles, all=fit(params, room, language))
