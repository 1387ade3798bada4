import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rehost.model.server import Firmware
from rehost.provider_errors import (
    BadTargetSpec,
    LaunchFailed,
    MachineSilent,
    MachineStuck,
    ProgramMissing,
    TargetDiffers,
    TargetGone,
    TargetRuns,
)
from rehost.providers.base import (
    CanClone,
    CanLayer,
    CanReach,
    CanScreenshot,
    DiskFormat,
    HasConsole,
    Interface,
    MachineSize,
    Power,
)
from rehost.providers.qemu import QemuOptions, QemuProvider, daemon, qmp
from rehost.providers.qemu import options as host
from rehost.providers.qemu.options import Acceleration, Chipset
from tests.conformance import bootsector, efidisk
from tests.conformance.provider import MIB, SPEC, ProviderContract, eventually

pytestmark = pytest.mark.needs("qemu-system-x86_64", "qemu-img")

NewProvider = Callable[..., QemuProvider]
TCG = QemuOptions(acceleration=Acceleration.TCG, grace_s=1)


@pytest.fixture
def new_provider(tmp_path: Path) -> Iterator[NewProvider]:
    folder = tmp_path / "targets"
    yield lambda options=TCG: QemuProvider(folder, options)
    for pidfile in folder.glob("*/pid"):
        with daemon.process_of(pidfile) as running:
            if running is not None:
                daemon.end(running, pidfile.parent.name)


class TestQemuProvider(ProviderContract):
    pass


def start(provider: QemuProvider, sector: bytes, spec=SPEC, saying: bytes = b"ready") -> str:
    server = provider.create(spec)
    with server.disks[0].path.open("r+b") as disk:
        disk.write(sector)
    provider.boot(server.id)
    eventually(lambda: saying in provider.console(server.id, last=4096))
    return server.id


def test_optional_abilities(new_provider):
    for ability in (CanClone, CanLayer, CanReach, CanScreenshot, HasConsole):
        assert isinstance(new_provider(), ability)


@pytest.mark.parametrize("chipset", Chipset)
def test_guest_that_listens_shuts_down_by_itself(new_provider, chipset):
    options = replace(TCG, chipset=chipset, grace_s=60)
    server_id = start(new_provider(options), bootsector.polite("ready"))
    assert bootsector.BYE not in new_provider().console(server_id, last=4096)
    new_provider(options).stop(server_id)
    assert bootsector.BYE in new_provider().console(server_id, last=4096)
    assert new_provider().power(server_id) is Power.OFF


def test_guest_that_does_not_listen_is_turned_off(new_provider):
    server_id = start(new_provider(), bootsector.deaf("ready"))
    new_provider().stop(server_id)
    assert new_provider().power(server_id) is Power.OFF


def test_hard_stop_does_not_wait(new_provider):
    options = replace(TCG, grace_s=3600)
    server_id = start(new_provider(options), bootsector.deaf("ready"))
    new_provider(options).stop(server_id, hard=True)
    assert new_provider().power(server_id) is Power.OFF


def pid(provider: QemuProvider, spec=SPEC) -> Path:
    return provider.create(spec).disks[0].path.with_name("pid")


def test_number_that_another_process_has_got_is_left_alone(new_provider, tmp_path):
    server = new_provider().create(SPEC)
    with subprocess.Popen(["sleep", "600"]) as other:
        pid(new_provider()).write_text(f"{other.pid}\n")
        power = new_provider().power(server.id)
        new_provider().stop(server.id, hard=True)
        new_provider().delete(server.id)
        survived = other.poll() is None
        other.kill()
    assert survived
    assert power is Power.OFF


def test_machine_is_found_by_every_path_of_its_folder(new_provider, tmp_path):
    server_id = start(new_provider(), bootsector.deaf("ready"))
    (tmp_path / "link").symlink_to(tmp_path)
    for path in (tmp_path / "link", tmp_path / "link" / ".." / tmp_path.name):
        other = QemuProvider(path / "targets", TCG)
        assert other.power(server_id) is Power.ON
        with pytest.raises(TargetRuns):
            other.layer(server_id)
    with daemon.process_of(pid(new_provider())) as running:
        QemuProvider(tmp_path / "link" / "targets", TCG).delete(server_id)
        assert running is not None
        assert daemon.has_ended(running, limit_s=0)


def test_machine_of_a_copied_folder_is_another_one(new_provider, tmp_path):
    server_id = start(new_provider(), bootsector.deaf("ready"))
    others = shutil.ignore_patterns("*.sock", "*.img")
    shutil.copytree(tmp_path / "targets", tmp_path / "copy", ignore=others)
    assert QemuProvider(tmp_path / "copy", TCG).power(server_id) is Power.OFF
    QemuProvider(tmp_path / "copy", TCG).delete(server_id)
    assert new_provider().power(server_id) is Power.ON


def test_machine_survives_the_process_that_started_it(new_provider):
    server = new_provider().create(SPEC)
    child = os.fork()
    if child == 0:
        try:
            new_provider().boot(server.id)
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert new_provider().power(server.id) is Power.ON
    assert new_provider().screenshot(server.id)
    new_provider().stop(server.id, hard=True)
    assert new_provider().power(server.id) is Power.OFF


def test_boot_of_one_that_runs_leaves_it_alone(new_provider):
    server_id = start(new_provider(), bootsector.deaf("ready"))
    before = pid(new_provider()).read_text()
    assert new_provider().boot(server_id) == new_provider().boot(server_id)
    assert pid(new_provider()).read_text() == before


@pytest.mark.parametrize("text", ["", "x", "0", "-1", "1", "999999999999999999999"])
def test_pid_file_with_anything_in_it_is_a_machine_that_is_off(new_provider, text):
    server = new_provider().create(SPEC)
    pid(new_provider()).write_text(text)
    assert new_provider().power(server.id) is Power.OFF
    new_provider().stop(server.id, hard=True)


def test_process_that_cannot_be_ended_is_said_and_its_disks_stay(new_provider, monkeypatch):
    server_id = start(new_provider(), bootsector.deaf("ready"))
    with monkeypatch.context() as patched:
        patched.setattr(daemon, "has_ended", lambda *_, **__: False)
        with pytest.raises(MachineStuck):
            new_provider().delete(server_id)
    assert all(disk.path.exists() for disk in new_provider().create(SPEC).disks)


def test_console_is_of_the_last_start(new_provider):
    server_id = start(new_provider(), bootsector.deaf("ready once"), saying=b"ready once")
    new_provider().stop(server_id, hard=True)
    start(new_provider(), bootsector.deaf("ready again"), saying=b"ready again")
    assert b"once" not in new_provider().console(server_id, last=4096)
    assert len(new_provider().console(server_id, last=5)) == 5
    assert new_provider().console("never-existed", last=5) == b""


def test_screenshot_is_a_picture(new_provider):
    server_id = start(new_provider(), bootsector.deaf("ready"))
    assert new_provider().screenshot(server_id).startswith(b"\x89PNG\r\n\x1a\n")
    new_provider().stop(server_id, hard=True)
    with pytest.raises(MachineSilent):
        new_provider().screenshot(server_id)


def test_way_to_a_port_is_the_same_each_time_and_not_for_other_hosts(new_provider):
    server_id = start(new_provider(), bootsector.deaf("ready"))
    ways = {new_provider().reach(server_id, port) for port in (22, 22, 80)}
    assert {host for host, _ in ways} == {"127.0.0.1"}
    assert len(ways) == 2
    for way in ways:
        socket.create_connection(way, timeout=10).close()
    new_provider().stop(server_id, hard=True)
    with pytest.raises(MachineSilent):
        new_provider().reach(server_id, 22)


def test_way_leads_to_the_address_that_the_source_had(new_provider):
    interfaces = (
        Interface(network="isolated", address="192.168.7.20/24", gateway="192.168.7.1"),
        Interface(address="10.9.0.9/255.255.255.248"),
    )
    server_id = start(
        new_provider(), bootsector.deaf("ready"), replace(SPEC, interfaces=interfaces)
    )
    assert new_provider().reach(server_id, 22)[0] == "127.0.0.1"
    folder = pid(new_provider(), replace(SPEC, interfaces=interfaces)).parent
    said = qmp.ask(folder, "human-monitor-command", **{"command-line": "info usernet"})
    assert re.search(r"HOST_FORWARD\].* 192\.168\.7\.20 +22 ", str(said))


def test_clone_is_a_server_of_its_own(new_provider):
    origin = new_provider().create(SPEC)
    with origin.disks[0].path.open("r+b") as disk:
        disk.write(bootsector.deaf("ready"))
    clone = new_provider().clone(origin.id, "try-1", size=MachineSize(cpus=3, memory=80 << 20))
    assert clone.disks[1].path.stat().st_blocks == 0
    with origin.disks[0].path.open("r+b") as disk:
        disk.write(bytes(512))
    assert new_provider().clone(origin.id, "try-1") == clone
    new_provider().boot(clone.id)
    eventually(lambda: b"ready" in new_provider().console(clone.id, last=99))
    assert new_provider().power(origin.id) is Power.OFF
    started = command_line(clone.disks[0].path.with_name("pid"))
    for words in (b"restrict=on", b"-smp\x003\x00", b"-m\x0080M\x00"):
        assert words in started
    new_provider().delete(clone.id)
    assert new_provider().power(origin.id) is Power.OFF


def test_clone_of_what_cannot_be_cloned_is_refused(new_provider):
    server_id = start(new_provider(), bootsector.deaf("ready"))
    other = new_provider().create(replace(SPEC, task_id="other"))
    with pytest.raises(TargetRuns):
        new_provider().clone(server_id, "try-1")
    new_provider().stop(server_id, hard=True)
    for clone_id in (server_id, other.id):
        with pytest.raises(BadTargetSpec):
            new_provider().clone(server_id, clone_id)
    with pytest.raises(TargetGone):
        new_provider().clone("never-existed", "try-1")


def test_disks_do_not_grow_below_a_layer(new_provider):
    new_provider().layer(new_provider().create(SPEC).id)
    larger = tuple(replace(disk, size=disk.size * 2) for disk in SPEC.disks)
    with pytest.raises(TargetDiffers):
        new_provider().create(replace(SPEC, disks=larger))


def test_server_starts_from_its_layer_and_its_disks_stay(new_provider):
    server = new_provider().create(SPEC)
    with server.disks[0].path.open("r+b") as disk:
        disk.write(bootsector.deaf("ready"))
    layered = new_provider().layer(server.id)
    assert {disk.format for disk in layered.disks} == {DiskFormat.QCOW2}
    assert new_provider().layer(server.id) == layered
    before = server.disks[0].path.read_bytes()
    write_into(layered.disks[0].path)
    new_provider().boot(server.id)
    with pytest.raises(TargetRuns):
        new_provider().drop_layer(server.id)
    new_provider().stop(server.id, hard=True)
    assert server.disks[0].path.read_bytes() == before
    for _ in range(2):
        new_provider().drop_layer(server.id)
    assert not layered.disks[0].path.exists()
    assert new_provider().create(SPEC) == server
    new_provider().boot(server.id)
    eventually(lambda: b"ready" in new_provider().console(server.id, last=99))


def write_into(qcow2: Path) -> None:
    subprocess.run(["qemu-io", "-c", "write -P 7 1M 4k", qcow2], check=True, capture_output=True)


def command_line(pidfile: Path) -> bytes:
    return Path(f"/proc/{int(pidfile.read_text())}/cmdline").read_bytes()


def test_folder_with_a_long_path_and_commas(tmp_path):
    folder = tmp_path / ("a,b=c " * 20) / ("long" * 30)
    provider = QemuProvider(folder, TCG)
    server_id = start(provider, bootsector.deaf("ready"), replace(SPEC, name="a, b=c"))
    assert provider.screenshot(server_id)
    provider.delete(server_id)
    assert list(folder.iterdir()) == []


def test_interfaces_keep_their_addresses_or_get_lasting_ones(new_provider):
    kept = "0a:00:07:12:34:56"
    spec = replace(SPEC, interfaces=(Interface(mac=kept), Interface(), Interface()))
    start(new_provider(), bootsector.deaf("ready"), spec)
    words = command_line(pid(new_provider(), spec)).decode().split("\0")
    macs = [word.split("mac=")[1].split(",")[0] for word in words if "mac=" in word]
    assert macs[0] == kept
    assert len(set(macs)) == 3


@pytest.mark.parametrize("mac", ["01:00:5e:00:00:01", "x", "52:54:00:12:34:56,id=x", ""])
def test_impossible_addresses_are_refused(new_provider, mac):
    with pytest.raises(BadTargetSpec):
        new_provider().create(replace(SPEC, interfaces=(Interface(mac=mac),)))


def test_what_qemu_says_is_in_the_error(new_provider):
    server = new_provider().create(replace(SPEC, cpus=100000))
    with pytest.raises(LaunchFailed, match="CPUs"):
        new_provider().boot(server.id)
    assert new_provider().power(server.id) is Power.OFF


def test_bridge_that_the_host_lacks_is_said(new_provider):
    server = new_provider().create(SPEC)
    with pytest.raises(BadTargetSpec, match="rehost-none"):
        new_provider(replace(TCG, bridge="rehost-none")).boot(server.id)
    spec = replace(SPEC, task_id="other", interfaces=(Interface(network="bridge:rehost-none"),))
    with pytest.raises(BadTargetSpec, match="rehost-none"):
        new_provider().create(spec)
    assert new_provider().power("other") is Power.GONE


@pytest.mark.parametrize(
    ("lacks", "firmware"),
    [
        ("qemu-system-x86_64", Firmware.BIOS),
        ("qemu-img", Firmware.BIOS),
        pytest.param("OVMF", Firmware.UEFI, marks=pytest.mark.needs("ovmf")),
    ],
)
def test_what_the_host_lacks_is_said_before_anything_is_made(
    new_provider, monkeypatch, tmp_path, lacks, firmware
):
    spec = replace(SPEC, firmware=firmware)
    for program in {"qemu-system-x86_64", "qemu-img"} - {lacks}:
        (tmp_path / program).symlink_to(str(shutil.which(program)))
    with monkeypatch.context() as patched:
        patched.setenv("PATH", str(tmp_path))
        patched.setattr(host, "QEMU", host.QEMU[:1])
        if lacks == "OVMF":
            patched.setattr(host, "OVMF", ())
        with pytest.raises(ProgramMissing, match=lacks) as failure:
            new_provider().create(spec)
        assert failure.value.retryable
        assert new_provider().power(spec.task_id) is Power.GONE
        assert new_provider().create(replace(spec, is_started=False))
    assert new_provider().create(spec)


def test_network_that_there_is_not_is_refused(new_provider):
    with pytest.raises(BadTargetSpec, match="bridge:NAME"):
        new_provider().create(replace(SPEC, interfaces=(Interface(network="vpc-1"),)))


def test_start_from_a_layer_never_writes_the_disks(new_provider):
    server = new_provider().create(SPEC)
    with server.disks[0].path.open("r+b") as disk:
        disk.write(bootsector.deaf("ready"))
    for _ in range(2):
        new_provider().boot_layered(server.id)
        with_layer = command_line(pid(new_provider()))
        assert b"disk-0.qcow2" in with_layer
        assert b"disk-0.img" not in with_layer
    new_provider().stop(server.id, hard=True)
    new_provider().drop_layer(server.id)
    new_provider().boot(server.id)
    with pytest.raises(TargetRuns):
        new_provider().boot_layered(server.id)


def test_console_that_cannot_be_trimmed_keeps_no_other_from_it(new_provider):
    logs = []
    for name in ("a", "b"):
        server = new_provider().create(replace(SPEC, task_id=name))
        logs.append(server.disks[0].path.with_name("console.log"))
    logs[0].mkdir()
    logs[1].write_bytes(bytes(b"x" * (12 * MIB)))
    new_provider().tend()
    assert logs[1].stat().st_blocks * 512 < 10 * MIB
    logs[0].rmdir()


def test_firmware_says_on_the_console_that_nothing_boots(new_provider):
    server = new_provider().create(SPEC)
    new_provider().boot(server.id)
    eventually(lambda: b"No bootable device" in new_provider().console(server.id, last=4096))


@pytest.mark.needs("ovmf")
def test_uefi_has_a_store_of_variables_of_its_own(new_provider):
    spec = replace(SPEC, firmware=Firmware.UEFI, memory=256 * MIB)
    server = new_provider().create(spec)
    new_provider().boot(server.id)
    eventually(lambda: b"BdsDxe" in new_provider().console(server.id, last=1 << 16))
    store = server.disks[0].path.with_name("vars.fd")
    assert store.stat().st_size == Path("/usr/share/OVMF/OVMF_VARS_4M.fd").stat().st_size
    new_provider().delete(server.id)
    assert not store.exists()


@pytest.mark.needs(*efidisk.NEEDS)
def test_uefi_starts_the_loader_that_the_source_started(new_provider, tmp_path):
    spec = replace(SPEC, firmware=Firmware.UEFI, memory=256 * MIB, boot_file=efidisk.FILE)
    server = new_provider().create(spec)
    efidisk.write(server.disks[0].path, tmp_path)
    new_provider().layer(server.id)
    store = server.disks[0].path.with_name("vars.fd")
    store.write_bytes(b"of a start before")
    new_provider().drop_layer(server.id)
    new_provider().boot(server.id)
    eventually(lambda: efidisk.SAYS in new_provider().console(server.id, last=1 << 16))
