"""Targets on a disk of this host that is full."""

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from rehost.provider_errors import LayerLost, NoSpaceForTarget
from rehost.providers.base import DiskSpec, Power
from rehost.providers.qemu import QemuOptions, QemuProvider, qmp
from rehost.providers.qemu.options import Acceleration
from rehost.stages import launch
from rehost.stages.launch import Outcome
from tests.conformance import bootsector
from tests.conformance.provider import MIB, SPEC, eventually, killed_after

pytestmark = pytest.mark.needs("qemu-system-x86_64", "qemu-img", "root", "mount")

SMALL = replace(SPEC, disks=(DiskSpec(name="sda", size=MIB), DiskSpec(name="sdb", size=MIB)))
PAGE = 4096


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of two MiB."""
    options = "size=2m,nr_inodes=99"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", tmp_path], check=True)
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


@pytest.fixture
def provider(disk: Path) -> Iterator[QemuProvider]:
    made = QemuProvider(disk / "targets", QemuOptions(acceleration=Acceleration.TCG))
    yield made
    made.delete(SMALL.task_id)


def fill(file: Path) -> None:
    with file.open("ab", buffering=0) as growing, suppress(OSError):
        while growing.write(bytes(PAGE)):
            pass


def test_layer_that_fills_the_disk_is_thrown_away(provider):
    server = provider.create(SMALL)
    layered = provider.layer(server.id)
    fill(layered.disks[0].path)
    provider.drop_layer(server.id)
    assert not any(disk.path.exists() for disk in layered.disks)
    assert provider.create(SMALL) == server
    [found] = provider.inventory()
    assert not found.layered


def test_disk_that_is_full_of_other_things_keeps_no_layer(provider, disk):
    provider.create(SMALL)
    provider.layer(SMALL.task_id)
    fill(disk / "in-the-way")
    for _ in range(2):
        with suppress(NoSpaceForTarget):
            provider.drop_layer(SMALL.task_id)
    assert not list(disk.rglob("*.qcow2"))


def test_nothing_starts_from_a_layer_that_is_half_thrown_away(provider):
    for step in range(20):
        layered = provider.layer(provider.create(SMALL).id)
        for image in layered.disks:
            with image.path.open("ab") as file:
                file.write(b"converted")
        ended = killed_after(step, lambda: provider.drop_layer(SMALL.task_id))
        if provider.inventory()[0].layered and not all(d.path.exists() for d in layered.disks):
            for call in (provider.layer, provider.boot):
                with pytest.raises(LayerLost, match=r"disk-0\.qcow2"):
                    call(SMALL.task_id)
        provider.drop_layer(SMALL.task_id)
        assert not provider.inventory()[0].layered
        assert not any(disk.path.exists() for disk in layered.disks)
        if ended:
            return
    pytest.fail("it never ended")


def said(provider: QemuProvider) -> bytes:
    return provider.console(SMALL.task_id, last=PAGE)


def test_machine_that_finds_no_space_is_seen_and_goes_on_once_there_is_some(provider, disk):
    server = provider.create(SMALL)
    with server.disks[0].path.open("r+b") as image:
        image.write(bootsector.writing("ready"))
    provider.boot_layered(server.id)
    eventually(lambda: b"ready" in said(provider))
    assert provider.trouble(server.id) == ""
    fill(disk / "in-the-way")
    qmp.ask(disk / "targets" / server.id, "system_powerdown")
    verdict = launch.watch(provider, server.id, limit_s=60)
    assert verdict.outcome is Outcome.FAILED
    assert "no space is left" in verdict.why
    (disk / "in-the-way").unlink()
    provider.boot(server.id)
    eventually(lambda: bootsector.WRITTEN in said(provider))
    assert provider.trouble(server.id) == ""


@pytest.mark.parametrize("pages", range(6))
def test_start_that_finds_no_space_is_tried_again(provider, disk, pages):
    """The record, the console, the firmware's files, the number of the process: any may be it."""
    provider.create(SMALL)
    keep = disk / "keep"
    keep.write_bytes(bytes(pages * PAGE))
    fill(disk / "in-the-way")
    keep.unlink()
    try:
        provider.boot(SMALL.task_id)
    except NoSpaceForTarget:
        (disk / "in-the-way").unlink()
        provider.boot(SMALL.task_id)
    assert provider.power(SMALL.task_id) is Power.ON
