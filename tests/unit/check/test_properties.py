import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from rehost.model.check import Result
from rehost.model.language import Language
from rehost.model.server import Report
from rehost.stages.check import checks_for, judge, rows
from rehost.stages.check.rule import CHOSEN
from tests.unit.check.any_report import REPORTS


@given(REPORTS)
def test_any_report_can_be_sent(report: Report):
    assert msgspec.convert(msgspec.to_builtins(report), Report) == report


@settings(max_examples=300)
@given(REPORTS, st.sampled_from(Language))
def test_any_report_is_judged_and_shown(report: Report, language: Language):
    findings = judge(report)
    assert [f.check for f in findings] == [check.name for check in checks_for(report)]
    for row in rows(findings, 7, language):
        assert (row.result is Result.OK) == (row.error_code is None)
        assert (row.error_or_warn is None) == (row.remedy is None) == (row.error_code is None)
        assert row.params
        assert max(map(len, row.params)) <= 255
        assert len(row.error_params) <= 255
        assert len(row.error_or_warn or "") <= 255
        assert (row.result is Result.OK) <= (row.error_params == "")


@given(REPORTS)
def test_a_check_finds_only_what_it_declares(report: Report):
    for check in checks_for(report):
        assert {found.problem for found in check.find(report)} <= {*check.problems, CHOSEN}


@given(REPORTS)
def test_the_worst_comes_first(report: Report):
    for finding in judge(report):
        if any(also.result is Result.ERROR for also in finding.also):
            assert finding.result is Result.ERROR
