from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import msgspec

from rehost.control import targets
from rehost.control.task_record import ConfigKey, Configuration, Settings, Task, fresh_run
from rehost.control.wishes import SizedDisk, WantedNetwork, Wishes
from rehost.model.disk import DeviceUse, Disk
from rehost.model.server import Facts, Firmware, Network, OsType, Report
from rehost.model.target import DiskChoice
from rehost.model.task import TaskState, TaskType
from rehost.providers.base import Interface, TargetDisk, TargetServer
from rehost.stages.launch import parse
from rehost.stages.recommend import adjust, recommend

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


def test_template_chooses_size_networks_and_larger_disks():
    networks = (Network(mac="52:54:00:00:00:01", ip="10.0.0.5", netmask="255.255.255.0"),)
    wished = Wishes(
        cpus=8,
        memory=16 * GIB,
        networks=(WantedNetwork(), WantedNetwork(network="isolated", address="192.0.2.7/24")),
        disks=(SizedDisk(name="system", index=0, size=40 * GIB),),
    )
    spec = targets.spec(TASK, source(replace(REPORT, networks=networks)), wished)
    assert (spec.cpus, spec.memory) == (8, 16 * GIB)
    assert spec.interfaces == (
        Interface(mac="52:54:00:00:00:01", address="10.0.0.5/255.255.255.0"),
        Interface(network="isolated", address="192.0.2.7/24"),
    )
    assert [disk.size for disk in spec.disks] == [40 * GIB]


def test_cards_are_in_the_order_of_their_names_and_a_bond_is_none():
    first, second, third = (f"52:54:00:00:00:0{n}" for n in (1, 2, 3))
    networks = (
        Network(name="bond0", mac=second, ip="10.0.0.5", netmask="255.255.255.0"),
        Network(name="eth10", mac=third, ip=""),
        Network(name="eth2", mac=second.upper(), ip=""),
        Network(name="eth1", mac=first, ip="10.1.0.5", netmask="255.255.0.0", gateway="10.1.0.1"),
        Network(name="bond0.7", mac=second, ip="10.7.0.5", netmask="255.255.255.0"),
    )
    spec = targets.spec(TASK, source(replace(REPORT, networks=networks)))
    assert spec.interfaces == (
        Interface(mac=first, address="10.1.0.5/255.255.0.0", gateway="10.1.0.1"),
        Interface(mac=second, address="10.0.0.5/255.255.255.0"),
        Interface(mac=third),
    )


def test_disk_is_never_smaller_than_the_sources():
    wished = Wishes(disks=(SizedDisk(name="system", index=0, size=GIB),))
    assert [disk.size for disk in targets.spec(TASK, source(), wished).disks] == [10 * GIB]


def test_what_is_chosen_once_the_target_is_made_is_of_the_next():
    uses = {"/dev/vda": DeviceUse.OS, "/dev/vdb": DeviceUse.NORMAL}
    two = tuple(Disk(name=name, size=GIB, device_use=use) for name, use in uses.items())
    report = replace(REPORT, disks=two)
    without = DiskChoice(id="/dev/vda", need_migration=False)
    left_out = source(report)
    left_out.target = msgspec.json.encode(adjust(recommend(report), (without,))).decode()
    made = TargetServer(
        id="t-1",
        name="t",
        disks=tuple(TargetDisk(name=name, size=GIB, path=Path("/dev/zero")) for name in uses),
    )
    assert [d.name for d in targets.disks(TASK, left_out)] == ["/dev/vdb"]
    assert not targets.starts(TASK, left_out)
    task = replace(TASK, server=made)
    assert [d.name for d in targets.disks(task, left_out)] == ["/dev/vda", "/dev/vdb"]
    assert targets.starts(task, left_out)
