"""Whole systems start as target servers, each with its firmware."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rehost.model.server import Firmware
from rehost.providers.base import DiskSpec, TargetSpec
from rehost.providers.copy import copy_image
from rehost.providers.qemu import QemuOptions, QemuProvider
from rehost.providers.qemu.options import Acceleration
from rehost.stages.launch import Outcome, watch
from tests.guest.source import Installed, install

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("root", "debootstrap", "qemu-system-x86_64", "qemu-img", "ovmf"),
]
LIMIT_S = 600
# Where on the disk its boot loader is, the system's installer told the firmware alone.
BOOT_FILES = {"bios": None, "uefi": r"\EFI\debian\grubx64.efi"}
FIRMWARE = {"bios": Firmware.BIOS, "uefi": Firmware.UEFI}


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[QemuProvider]:
    provider = QemuProvider(tmp_path, QemuOptions(acceleration=Acceleration.TCG))
    yield provider
    for server in tmp_path.iterdir():
        provider.delete(server.name)


def target(source: Installed) -> TargetSpec:
    return TargetSpec(
        task_id=source.machine.name,
        name=source.machine.name,
        disks=tuple(DiskSpec(name=d.serial, size=d.size) for d in source.machine.disks),
        cpus=2,
        memory=1 << 30,
        firmware=FIRMWARE[source.machine.firmware],
        boot_file=BOOT_FILES[source.machine.firmware],
    )


@pytest.mark.parametrize("name", ["bios-mbr-plain", "uefi-gpt-xfs"])
def test_system_comes_up_and_shuts_down(provider, name):
    source = install(name)
    server = provider.create(target(source))
    for disk, image in zip(server.disks, source.images, strict=True):
        copy_image(image, disk.path)
    provider.boot(server.id)
    verdict = watch(provider, server.id, limit_s=LIMIT_S)
    assert verdict.outcome is Outcome.UP, verdict
    provider.stop(server.id)
    assert b"Power down" in provider.console(server.id, last=4096)
