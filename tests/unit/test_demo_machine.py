"""The boot loader on the demo's source machine; that it starts is in tests/guest."""

import pytest

from rehost.cli import demo_machine
from rehost.cli.demo_disk import SECTOR, START
from rehost.errors import ProgramFailed

BOOT = bytes([0xEB]) * 512
CORE = bytes([0xC0]) * 3000


@pytest.fixture
def disk(tmp_path):
    disk = tmp_path / "disk.img"
    disk.write_bytes(bytes(START) + b"filesystem")
    return disk


def test_boot_code_stands_before_the_partition_table_and_the_core_behind(disk):
    demo_machine._write_boot_loader(disk, BOOT, CORE)
    written = disk.read_bytes()
    assert written[:440] == BOOT[:440]
    assert int.from_bytes(written[454:458], "little") * SECTOR == START
    assert written[510:512] == b"\x55\xaa"
    assert written[SECTOR : SECTOR + len(CORE)] == CORE
    assert written[START:] == b"filesystem"


def test_a_core_that_would_reach_into_the_partition_is_refused(disk):
    before = disk.read_bytes()
    with pytest.raises(ProgramFailed, match="too much"):
        demo_machine._write_boot_loader(disk, BOOT, bytes(START - SECTOR + 1))
    assert disk.read_bytes() == before


def test_an_image_that_is_there_is_not_made_again(tmp_path):
    image = tmp_path / f"debian-{demo_machine._digest()}.img"
    image.write_bytes(b"made before")
    steps: list[str] = []
    assert demo_machine.build(tmp_path, steps.append) == image
    assert steps == []
    assert image.read_bytes() == b"made before"


def test_steps_are_told_once_they_are_whole_lines():
    log = "I: running apt-get update...\ndone\nI: downloading packages with apt...\nI: extracting"
    assert demo_machine._steps(log) == [
        "asking the mirror for packages",
        "downloading the base system",
    ]
