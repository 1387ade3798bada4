import json
import re
from itertools import chain

import msgspec
import pytest

from rehost.model.check import Finding, Result
from rehost.model.language import Language
from rehost.model.server import OsType
from rehost.stages.check import CHECKS, describe, judge, rows
from rehost.stages.check.rule import CHOSEN, Check
from rehost.stages.check.texts import CATALOGUES
from tests.unit.check.reports import EXAMPLE, LINUX, WINDOWS, linux

LINUX_ORDER = (
    "OS_VERSION CPU MEMORY PARAVIRTUALIZATION FIRMWARE BOOT_LOADER RSYNC RAW_DEVICES DISK_INFO "
    "PARTITION_STYLE FILE_SYSTEM"
)
WINDOWS_ORDER = (
    "OS_VERSION FIRMWARE CPU MEMORY SYSTEM_ROOT PARTITION_STYLE FILE_SYSTEM FREE_SPACE OEM_SYSTEM "
    "DRIVER_FILE SERVICE ACCOUNT_RIGHTS"
)
ALL_CHECKS = tuple(
    {check.name: check for check in chain.from_iterable(chain(*CHECKS.values()))}.values()
)
CODES = sorted({problem.code for check in ALL_CHECKS for problem in check.problems})


def test_the_documented_example_gives_its_rows():
    shown = msgspec.to_builtins(rows(judge(WINDOWS), 524, Language.ENGLISH))
    assert [row.pop("remedy") for row in shown] == [None] * 12
    numbered = [row | {"id": number} for number, row in enumerate(EXAMPLE["checks"], 524000)]
    assert json.loads(json.dumps(shown)) == numbered


def test_a_sound_linux_machine_passes_all_checks():
    assert [f for f in judge(LINUX) if f.result is not Result.OK] == []


@pytest.mark.parametrize(
    ("os_type", "order"), [(OsType.LINUX, LINUX_ORDER), (OsType.WINDOWS, WINDOWS_ORDER)]
)
def test_public_checks_come_in_the_api_order(os_type: OsType, order: str):
    assert " ".join(check.name for check in CHECKS[os_type].public) == order


def test_own_checks_come_after_and_only_with_our_agents_facts():
    own = [check.name for check in CHECKS[OsType.LINUX].own]
    assert [f.check for f in judge(LINUX)] == LINUX_ORDER.split() + own
    assert [f.check for f in judge(linux(facts=None))] == LINUX_ORDER.split()


def test_check_names_are_unique_per_os():
    for public, own in CHECKS.values():
        names = [check.name for check in public + own]
        assert len(names) == len(set(names))


def test_every_code_belongs_to_one_check():
    owners: dict[str, set[str]] = {}
    for check in ALL_CHECKS:
        for problem in check.problems:
            owners.setdefault(problem.code, set()).add(check.name)
    shared = {code for code, names in owners.items() if len(names) > 1}
    assert shared == {"REHOST.5001", "REHOST.5002"}


def test_a_code_means_one_result():
    results = {(p.code, p.result) for check in ALL_CHECKS for p in check.problems}
    assert len(results) == len(CODES)


def test_own_codes_are_numbered_in_the_range_of_checks():
    assert [c for c in CODES if not re.fullmatch(r"REHOST\.5\d{3}|SMS\.2206", c)] == []


@pytest.mark.parametrize("language", Language)
def test_every_code_has_texts_and_no_text_is_left_over(language: Language):
    assert sorted(CATALOGUES[language]) == CODES


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("code", CODES)
def test_messages_fit_the_api_whatever_the_params(code: str, language: Language):
    found = Finding(
        check="X", result=Result.WARN, code=code, params=("p" * 4096, "q" * 300, "r" * 50)
    )
    message, remedy = describe(found, language)
    assert message
    assert remedy
    assert len(message) <= 255


def test_both_languages_name_the_same_params():
    for code in CODES:
        english, chinese = (CATALOGUES[language][code] for language in Language)
        assert sorted(re.findall(r"{\w*}", english[0])) == sorted(re.findall(r"{\w*}", chinese[0]))


def test_all_checks_are_of_one_kind():
    assert {type(check) for check in ALL_CHECKS} == {Check}
    assert CHOSEN.result is Result.OK
