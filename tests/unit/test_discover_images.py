import subprocess
from pathlib import Path

import pytest

from rehost.cli.demo_disk import SIZE, START, make_disk
from rehost.errors import FileMissing
from rehost.stages.discover.images import find_image

MIB = 1 << 20


@pytest.mark.needs("mkfs.ext4", "blkid")
def test_a_disk_with_a_partition_table(tmp_path: Path):
    image = tmp_path / "disk.img"
    make_disk(image)
    disk = find_image(str(image))
    assert (disk.name, disk.size, disk.partition_style) == (str(image), SIZE, "MBR")
    [part] = disk.physical_volumes or ()
    assert (part.index, part.size, part.file_system) == (1, SIZE - START, "ext4")
    said = subprocess.run(
        ["blkid", "-p", "-s", "UUID", "-o", "value", "-O", str(START), image],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert part.uuid == said.strip()


@pytest.mark.needs("mkfs.ext4")
def test_a_filesystem_without_a_table(tmp_path: Path):
    image = tmp_path / "disk.img"
    subprocess.run(["mkfs.ext4", "-q", image, "8M"], check=True)
    disk = find_image(str(image))
    assert disk.partition_style == ""
    [part] = disk.physical_volumes or ()
    assert (part.index, part.size, part.file_system) == (0, 8 * MIB, "ext4")


@pytest.mark.parametrize("size", [0, 1, 511, 512, 4095, 70_000])
@pytest.mark.parametrize("fill", [b"\0", b"\xff", b"U\xaa"])
def test_what_nobody_knows_is_a_disk_with_nothing_known_in_it(
    tmp_path: Path, size: int, fill: bytes
):
    image = tmp_path / "disk.img"
    image.write_bytes((fill * size)[:size])
    disk = find_image(str(image))
    assert (disk.size, disk.partition_style, disk.physical_volumes) == (size, "", ())


def test_a_table_that_makes_no_sense_has_no_partitions(tmp_path: Path):
    image = tmp_path / "disk.img"
    entry = bytes(4) + b"\x83" + bytes(3) + (2048).to_bytes(4, "little") + b"\xff" * 4
    image.write_bytes(bytes(446) + entry + bytes(48) + b"\x55\xaa" + bytes(MIB))
    disk = find_image(str(image))
    assert (disk.partition_style, disk.physical_volumes) == ("MBR", ())


def test_an_image_that_is_not_there(tmp_path: Path):
    with pytest.raises(FileMissing):
        find_image(str(tmp_path / "none"))
