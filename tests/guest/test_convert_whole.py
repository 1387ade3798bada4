"""A whole system that could not start on its target is converted, and does."""

import io
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehost.model.server import Firmware, Report
from rehost.providers.base import DiskSpec, Interface, TargetSpec
from rehost.providers.copy import copy_image
from rehost.providers.qemu import QemuOptions, QemuProvider
from rehost.providers.qemu.options import Acceleration
from rehost.stages.convert import Options, convert, plan
from rehost.stages.discover import discover
from rehost.stages.launch import Outcome, watch
from rehost.system.recording import RecordedHost
from tests.guest.source import Installed, install
from tests.guest.test_convert import digest
from tests.machines.build.guest import Exchange, run_in_guest
from tests.machines.build.record import CAPTURE, agent_sources

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("root", "debootstrap", "qemu-system-x86_64", "libguestfs"),
    pytest.mark.needs("virt-v2v-in-place"),
]
LIMIT_S = 1800


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[QemuProvider]:
    provider = QemuProvider(tmp_path / "targets", QemuOptions(acceleration=Acceleration.TCG))
    yield provider
    for server in (tmp_path / "targets").iterdir():
        provider.delete(server.name)


def report_of(source: Installed, folder: Path) -> Report:
    """What the agent says of the machine, running on its own hardware."""
    exchange = Exchange(offered={"run.sh": CAPTURE, "agent.tar": agent_sources()})
    run_in_guest(source.machine, source.folder, exchange, timeout_s=LIMIT_S)
    with tarfile.open(fileobj=io.BytesIO(exchange.received["recording.tar"])) as archive:
        archive.extractall(folder, filter="data")
    return discover(RecordedHost(folder), agent_version="1")


def test_system_without_virtio_comes_up_with_its_name_and_address(provider, tmp_path):
    source = install("ide-no-virtio")
    report = report_of(source, tmp_path / "recording")
    made = plan(report, Options())
    assert made.virt_v2v
    assert {(name.file, name.name) for name in made.devices} == {
        ("/etc/fstab", "/dev/sda1"),
        ("/etc/fstab", "/dev/sda2"),
        ("/proc/cmdline", "/dev/sda1"),
    }
    (disk,) = source.machine.disks
    (nic,) = source.machine.nics
    server = provider.create(
        TargetSpec(
            task_id="converted",
            name="converted",
            disks=(DiskSpec(name="/dev/sda", size=disk.size),),
            cpus=2,
            memory=1 << 30,
            firmware=Firmware.BIOS,
            # In another slot: the target has a screen before it.
            interfaces=(Interface(mac=nic.mac),),
        )
    )
    copy_image(source.images[0], server.disks[0].path)
    before = digest(server.disks[0].path)

    log = tmp_path / "convert.log"
    layered = provider.layer(server.id)
    said = convert(layered.disks, made, accelerated=False, log=log, stopped=lambda: False)
    assert "virt-v2v-in-place: This guest has virtio drivers installed." in said
    assert digest(server.disks[0].path) == before

    provider.boot(server.id)
    verdict = watch(provider, server.id, limit_s=LIMIT_S)
    assert verdict.outcome is Outcome.UP, verdict
    said_before_login = console_with(provider, server.id, b"login:")
    assert b"ens2 has 10.0.2.77" in said_before_login


def console_with(provider: QemuProvider, server_id: str, word: bytes) -> bytes:
    """What a server has said once it has said this; it may be up before it asks for a login."""
    deadline = time.monotonic() + LIMIT_S
    while word not in (said := provider.console(server_id, last=1 << 20)):
        assert time.monotonic() < deadline, said[-2000:]
        time.sleep(1)
    return said
