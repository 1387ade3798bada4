import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given

from rehost.model.disk import Disk, Partition
from rehost.model.server import Report
from rehost.stages.recommend import recommend
from tests.unit.check.any_report import REPORTS
from tests.unit.check.reports import EXAMPLE, GIB, LINUX, WINDOWS, linux


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    return [without_nulls(v) for v in value] if isinstance(value, list) else value


def only_disk(**changes: Any):
    disk = Disk(name="/dev/vda", partition_style="MBR", device_use="NORMAL", size=10 * GIB)
    [target] = recommend(linux(disks=(replace(disk, **changes),))).disks
    return target


def test_the_documented_example_gives_its_target():
    shown = json.loads(msgspec.json.encode(recommend(WINDOWS)))
    assert without_nulls(shown) == without_nulls(EXAMPLE["init_target_server"])


@pytest.mark.parametrize(
    ("style", "size", "wanted"),
    [
        ("MBR", 10 * GIB, 10 * GIB),
        ("MBR", 10 * GIB + 1, 11 * GIB),
        ("", 10 * GIB, 10 * GIB),
        (None, 10 * GIB - 1, 10 * GIB),
        ("GPT", 10 * GIB, 11 * GIB),
        ("gpt", 10 * GIB + 1, 12 * GIB),
        ("MBR", 1, GIB),
        ("MBR", None, GIB),
    ],
)
def test_size_is_whole_gib_and_one_more_for_gpt(style: str, size: int, wanted: int):
    assert only_disk(partition_style=style, size=size).size == wanted


def test_a_disk_of_unknown_size_holds_what_is_known_to_be_on_it():
    entries = (Partition(size=3 * GIB), Partition(size=None), Partition(size=1))
    assert only_disk(size=None, physical_volumes=entries).size == 4 * GIB


@pytest.mark.parametrize(
    ("disk_says", "partition_says", "os_disk", "wanted"),
    [
        ("BOOT", "OS", False, "OS"),
        ("NORMAL", "NORMAL", True, "OS"),
        ("OS", "BOOT", None, "OS"),
        ("NORMAL", "BOOT", False, "BOOT"),
        ("BOOT", "NORMAL", False, "BOOT"),
        ("NORMAL", "NORMAL", False, "NORMAL"),
        (None, None, None, "NORMAL"),
        ("odd", "odd", None, "NORMAL"),
    ],
)
def test_role(disk_says: str, partition_says: str, os_disk: bool | None, wanted: str):
    entries = (Partition(device_use=partition_says),)
    disk = only_disk(device_use=disk_says, os_disk=os_disk, physical_volumes=entries)
    assert disk.device_use == wanted


def test_partitions_and_volume_groups_arrive_as_they_are():
    target = recommend(LINUX)
    assert [d.physical_volumes for d in target.disks] == [
        d.physical_volumes for d in LINUX.disks or ()
    ]
    assert target.volume_groups == LINUX.volume_groups


def test_raw_disks_are_kept_and_named():
    target = recommend(linux(disks=(Disk(name="/dev/vdb", size=GIB), Disk())))
    assert [disk.name for disk in target.disks] == ["/dev/vdb", "Disk 1"]


@given(REPORTS)
def test_no_disk_is_smaller_than_the_source(report: Report):
    target = recommend(report)
    assert len(target.disks) == len(report.disks or ())
    for disk, source in zip(target.disks, report.disks or (), strict=True):
        assert disk.size >= max(source.size or 0, GIB)
        assert disk.size % GIB == 0
        if source.partition_style == "GPT":
            assert disk.size >= (source.size or 0) + GIB
