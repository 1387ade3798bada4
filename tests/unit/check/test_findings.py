from dataclasses import replace

import pytest

from rehost.model.server import Hardware
from rehost.stages.check import (
    CHECKS,
    change_tracking,
    disk_info,
    memory,
    multipath,
    network_mount,
    secure_boot,
    virtio_initramfs,
)
from rehost.stages.check.rule import UNKNOWN
from tests.unit.check.cases import Case
from tests.unit.check.linux_cases import LINUX_CASES
from tests.unit.check.own_cases import OWN_CASES
from tests.unit.check.reports import DISK, GIB, LINUX, MIB, finding, linux
from tests.unit.check.windows_cases import WINDOWS_CASES

CASES = LINUX_CASES + WINDOWS_CASES + OWN_CASES


@pytest.mark.parametrize("case", CASES, ids=str)
def test_finds(case: Case):
    found = finding(case.check, case.report)
    assert found.code == (case.problem.code if case.problem else "")
    assert found.result == (case.problem.result if case.problem else "OK")
    assert found.params == case.params


def test_every_problem_of_every_check_is_found_by_a_case():
    found = {(case.check, case.problem) for case in CASES if case.problem and case.problem.code}
    declared = {
        (check.name, problem)
        for public, own in CHECKS.values()
        for check in public + own
        for problem in check.problems
    }
    assert declared == found


def test_the_worst_decides_and_the_rest_is_not_lost():
    bad = replace(DISK, size=None)
    found = finding("DISK_INFO", linux(facts=None, disks=(bad,), volume_groups=()))
    assert (found.code, found.result) == (disk_info.NO_SIZE.code, "ERROR")
    assert [also.code for also in found.also] == [UNKNOWN.code]


def test_a_disk_that_cannot_be_tracked_does_not_hide_what_holds_for_the_others():
    report = linux(hardware=(Hardware(name="/dev/pmem0"),), kernel_version=None)
    found = finding("CHANGE_TRACKING", report)
    assert found.code == change_tracking.BIO_DISKS.code
    assert [also.code for also in found.also] == [UNKNOWN.code]


def test_own_checks_find_nothing_where_nothing_is_reported():
    report = replace(LINUX, facts=None)
    own = (virtio_initramfs, change_tracking, secure_boot, network_mount, multipath)
    assert [module.judge(report).result for module in own] == ["OK"] * len(own)


def test_memory_in_mb_and_in_bytes_is_the_same():
    assert memory.memory_bytes(2048) == memory.memory_bytes(2048 * MIB) == 2 * GIB
