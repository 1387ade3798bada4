import time

import pytest

from rehost.model.check import Finding, Result
from rehost.model.language import Language
from rehost.stages.check import describe, rows
from rehost.stages.check.texts.fit import cut, fit

EN, ZH = Language.ENGLISH, Language.CHINESE


def found(code: str, *params: str, also: tuple[Finding, ...] = ()) -> Finding:
    return Finding(check="X", result=Result.WARN, code=code, params=params, also=also)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, EN),
        ("", EN),
        ("zh-cn", ZH),
        ("ZH_CN", ZH),
        ("zh", ZH),
        ("en-us", EN),
        ("fr, zh;q=0.5", ZH),
        ("fr", EN),
    ],
)
def test_language_of_a_header(header: str | None, language: Language):
    assert Language.of(header) is language


def test_a_list_that_fits_is_shown_in_full():
    assert fit(("a", "b"), 4, EN) == "a, b"
    assert fit(("a", "b"), 3, ZH) == "a、b"
    assert fit((), 4, EN) == ""


def test_a_longer_list_says_how_many_more():
    assert fit(("aaaa", "bbbb", "cccc"), 16, EN) == "aaaa, bbbb, cccc"
    assert fit(("aaaa", "bbbb", "cccc"), 15, EN) == "aaaa and 2 more"
    assert fit(("a", "b" * 99), 15, ZH) == "a，另有 1 项"


def test_what_does_not_fit_at_all_is_cut():
    assert fit(("a" * 20, "b"), 14, EN) == "aa… and 1 more"
    assert cut("abc", 3) == "abc"
    assert cut("abcd", 3) == "ab…"


def test_messages_name_things_and_say_what_to_do():
    message, remedy = describe(found("REHOST.5081", "/dev/vdb", "/dev/vdc"), EN)
    assert message == (
        "Disks without partition table or filesystem (raw devices): /dev/vdb, /dev/vdc."
    )
    assert remedy.startswith("Block-level migration copies them whole")
    message, _ = describe(found("REHOST.5081", "/dev/vdb", "/dev/vdc"), ZH)
    assert message == "存在没有分区表和文件系统的磁盘（裸设备）：/dev/vdb、/dev/vdc。"


def test_many_things_are_counted():
    message, _ = describe(found("REHOST.5081", *(f"/dev/sd{n:03}" for n in range(100))), EN)
    assert message.endswith("and 85 more.")
    assert len(message) <= 255


def test_braces_in_params_are_text():
    assert "{all} {0}" in describe(found("REHOST.5081", "{all} {0}"), EN)[0]


def test_what_else_was_found_follows_in_the_remedy():
    both = found("REHOST.5071", also=(found("REHOST.5072"),))
    message, remedy = describe(both, EN)
    assert (message, remedy) == (
        describe(found("REHOST.5071"), EN)[0],
        " ".join((describe(found("REHOST.5071"), EN)[1], *describe(found("REHOST.5072"), EN))),
    )


def test_an_ok_finding_has_nothing_to_say():
    assert describe(Finding(check="X", result=Result.OK, params=("ebpf-mmap",)), EN) == ("", "")


def test_a_row_of_a_problem():
    [row] = rows([found("REHOST.5081", "/dev/vdb", "/dev/vdc")], 3, EN)
    assert (row.id, row.name, row.result) == (3000, "X", "WARN")
    assert row.params == ("/dev/vdb", "/dev/vdc")
    assert (row.error_code, row.error_params) == ("REHOST.5081", "/dev/vdb;/dev/vdc")
    assert row.error_or_warn is not None
    assert row.error_or_warn.startswith("Disks without")
    assert row.remedy is not None


def test_a_row_that_is_ok_shows_what_was_chosen():
    [row] = rows([Finding(check="X", result=Result.OK, params=("ebpf-mmap",))], 3, EN)
    assert row.params == ("ebpf-mmap",)
    assert (row.error_code, row.error_or_warn, row.error_params, row.remedy) == (
        None,
        None,
        "",
        None,
    )


def test_ids_of_rows_are_unique_among_sources():
    finding = Finding(check="X", result=Result.OK)
    ids = [row.id for source in (1, 2, 3) for row in rows([finding] * 30, source, EN)]
    assert len(set(ids)) == 90


def test_very_many_items_take_no_time():
    began = time.process_time()
    assert fit(["sda"] * 200_000, 22, EN) == "sda and 199999 more"
    assert time.process_time() - began < 1
