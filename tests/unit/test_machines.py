"""Discovery of the machines in tests/machines, replayed, against what we know we built."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from rehost.contract.codec import encode
from rehost.model.check import Result
from rehost.model.disk import LogicalVolume, Partition
from rehost.model.server import Report
from rehost.stages import check
from rehost.stages.discover import discover
from rehost.stages.recommend import recommend
from rehost.system.recording import RecordedHost

FOLDER = Path(__file__).parents[1] / "machines"
MACHINES = sorted(file.parent.name for file in FOLDER.glob("*/expected.json"))


@cache
def report_of(name: str) -> Report:
    return discover(RecordedHost(FOLDER / name), agent_version="1")


def volumes(report: Report) -> list[Partition | LogicalVolume]:
    return [
        *(p for d in report.disks or () for p in d.physical_volumes or ()),
        *(v for g in report.volume_groups or () for v in g.logical_volumes or ()),
    ]


def differences(found: object, expected: object, where: str = "report") -> Iterator[str]:
    """`expected` may leave out fields of an object, but no element of a list."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key, value in expected.items():
            yield from differences(found.get(key), value, f"{where}.{key}")
    elif isinstance(expected, list) and isinstance(found, list | tuple):
        if len(found) != len(expected):
            yield f"{where}: {len(found)} elements, not {len(expected)}: {found}"
        for n, (one, other) in enumerate(zip(found, expected, strict=False)):
            yield from differences(one, other, f"{where}[{n}]")
    elif found != expected:
        yield f"{where}: {found!r}, not {expected!r}"


@pytest.mark.parametrize("name", MACHINES)
def test_a_machine_is_found_to_be_what_was_built(name):
    expected = json.loads((FOLDER / name / "expected.json").read_text())
    assert list(differences(encode(report_of(name)), expected)) == []


@pytest.mark.parametrize("name", MACHINES)
def test_nothing_holds_more_than_its_size(name):
    report = report_of(name)
    for one in (*(report.disks or ()), *volumes(report)):
        assert one.size is not None, one
        assert one.used_size is not None, one
        assert 0 <= one.used_size <= one.size, one


@pytest.mark.parametrize("name", MACHINES)
def test_what_is_mounted_is_in_use(name):
    assert [v for v in volumes(report_of(name)) if v.mount_point and not v.used_size] == []


@pytest.mark.parametrize("name", MACHINES)
def test_every_source_disk_has_a_target_disk_that_holds_it(name):
    report = report_of(name)
    disks = report.disks or ()
    for source, target in zip(disks, recommend(report).disks, strict=True):
        assert target.name == source.name
        assert (target.size or 0) >= (source.size or 0)


@pytest.mark.parametrize("name", MACHINES)
def test_no_check_fails_for_want_of_a_fact(name):
    unknown = [f for f in check.judge(report_of(name)) if f.code in {"REHOST.5001", "REHOST.5002"}]
    assert unknown == []
    assert Result.OK in {f.result for f in check.judge(report_of(name))}
