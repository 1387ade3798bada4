from dataclasses import replace
from types import SimpleNamespace

import msgspec

from rehost.control import targets
from rehost.control.task_record import ConfigKey, Configuration, Settings, Task, fresh_run
from rehost.model.disk import Disk
from rehost.model.server import Facts, Firmware, OsType, Report
from rehost.model.task import TaskState, TaskType
from rehost.stages.launch import parse
from rehost.stages.recommend import recommend

GIB = 1 << 30
REPORT = Report(
    name="web-1",
    os_type=OsType.LINUX,
    os_version="DEBIAN_12_64BIT",
    networks=(),
    agent_version="1",
    cpu_quantity=2,
    memory=4 * GIB,
    disks=(Disk(name="/dev/vda", size=10 * GIB),),
)
TASK = Task(
    id="t-1",
    project_id="p",
    source_id="s",
    name="move",
    type=TaskType.MIGRATE_BLOCK,
    os_type=OsType.LINUX,
    state=TaskState.RUNNING,
    enterprise_project_id="0",
    create_date=0,
    settings=Settings(region_name="r", region_id="r", project_name="p", project_id="p"),
    run=fresh_run(TaskType.MIGRATE_BLOCK, OsType.LINUX),
    passphrase="",
)


def source(report=REPORT):
    return SimpleNamespace(
        id="s",
        name=report.name,
        report=msgspec.json.encode(report).decode(),
        target=msgspec.json.encode(recommend(report)).decode(),
    )


def test_probe_is_the_tasks_or_the_services():
    own = Configuration(config_key=ConfigKey.BOOT_PROBE, config_value="tcp:5432")
    none = replace(own, config_value="")
    default = parse("http:80/")
    assert targets.probe(TASK, None) is None
    assert targets.probe(replace(TASK, configurations=(none,)), default) == default
    assert targets.probe(replace(TASK, configurations=(own,)), default) == parse("tcp:5432")


def test_target_starts_what_the_source_started():
    facts = Facts(boot_file=r"\EFI\debian\shimx64.efi")
    spec = targets.spec(TASK, source(replace(REPORT, firmware=Firmware.UEFI, facts=facts)))
    assert (spec.firmware, spec.boot_file) == (Firmware.UEFI, r"\EFI\debian\shimx64.efi")
    assert targets.spec(TASK, source()).boot_file is None
