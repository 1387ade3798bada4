"""Volume groups made by LVM's own tools, which need no device mapper to write their metadata."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from rehost.model.ranges import Range
from rehost.storage.used.disk import Plan, plan
from tests.blockdev.conftest import run
from tests.blockdev.files import MIB, copy, delete_some, digests, fill, length, overlap

pytestmark = pytest.mark.needs("root", "loop", "ext4", "lvm", "sfdisk", "mkswap", "xfs_repair")
SIZE = 900 * MIB


class Lvm:
    """Volume groups on these devices alone; nothing is activated."""

    def __init__(self, folder: Path, *devices: str) -> None:
        accepted = ",".join(f'"a|^{device}$|"' for device in devices)
        self._config = (
            f'devices{{use_devicesfile=0 filter=[{accepted},"r|.*|"]}} '
            f'backup{{backup=0 archive=0}} global{{locking_dir="{folder}"}}'
        )

    def __call__(self, command: str, *arguments: str) -> str:
        options = ["--driverloaded", "n", "--config", self._config]
        return run("lvm", command, *options, *arguments)

    def create(self, *arguments: str) -> None:
        self("lvcreate", "-an", "-Zn", "-Wn", "-y", *arguments)

    def places(self, volume: str) -> list[tuple[str, int, int]]:
        """Device, offset and length of each segment."""
        options = ["--noheadings", "--units", "b", "--nosuffix", "-o"]
        start, extent = self("pvs", *options, "pe_start,vg_extent_size").split()[:2]
        printed = self("lvs", *options, "seg_pe_ranges", "--segments", volume)
        found = re.findall(r"(/\S+?):(\d+)-(\d+)", printed)
        size = int(extent)
        return [
            (device, int(start) + int(first) * size, (int(last) + 1 - int(first)) * size)
            for device, first, last in found
        ]


def move(pieces: list[tuple[str, int, int]], image: Path, *, out: bool) -> None:
    """The bytes of a volume to or from an image."""
    at = 0
    fd = os.open(image, os.O_RDWR | os.O_CREAT)
    for device, offset, size in pieces:
        with Path(device).open("r+b") as disk:
            if out:
                os.pwrite(disk.fileno(), os.pread(fd, size, at), offset)
                os.fsync(disk.fileno())
            else:
                os.pwrite(fd, os.pread(disk.fileno(), size, offset), at)
        at += size
    os.close(fd)


def fill_moved(pieces: list[tuple[str, int, int]], image: Path, attach, mounted) -> dict[str, str]:
    """Makes an ext4 with files on a volume that has several pieces; the files' digests."""
    move(pieces, image, out=False)
    inner = attach(image)
    run("mke2fs", "-q", "-F", "-t", "ext4", inner)
    with mounted(inner) as folder:
        fill(folder, 100 * MIB)
        delete_some(folder)
        before = digests(folder)
    attach.detach(inner)
    move(pieces, image, out=True)
    return before


def on_volume(attach, pieces: list[tuple[str, int, int]], *argv: str) -> None:
    """Runs a program on a volume that is in one piece."""
    [(device, offset, size)] = pieces
    inner = attach(device, offset=offset, size=size)
    run(*argv, inner)
    attach.detach(inner)


def doubts(found: Plan) -> dict[str, str]:
    return {part.name: part.doubt for part in found.parts if part.doubt}


def test_plain_volumes_are_looked_into(make_disk, attach, mounted, tmp_path):
    disk = make_disk("disk", SIZE + 2 * MIB)
    run("sh", "-c", f"echo '1MiB,{SIZE // MIB}MiB,V' | sfdisk -q --no-reread {disk}")
    part = attach(disk, offset=MIB, size=SIZE)
    lvm = Lvm(tmp_path, part)
    lvm("pvcreate", part)
    lvm("vgcreate", "my-group", part)
    lvm.create("-n", "root-a", "-L", "120M", "my-group")
    lvm.create("-n", "swap", "-L", "64M", "my-group")
    lvm("lvextend", "-y", "-n", "-L", "+80M", "my-group/root-a")
    lvm.create("-n", "data", "-L", "360M", "my-group")
    lvm.create("-n", "raw", "-L", "32M", "my-group")  # free extents are next to it
    root = lvm.places("my-group/root-a")
    assert len(root) == 2
    before = fill_moved(root, tmp_path / "root", attach, mounted)
    on_volume(attach, lvm.places("my-group/data"), "mkfs.xfs", "-q", "-f")
    on_volume(attach, lvm.places("my-group/swap"), "mkswap")

    found = plan(disk)
    assert doubts(found) == {}
    by_name = {p.name: p for p in found.parts}
    assert by_name["my-group/root-a"].free > 100 * MIB
    assert by_name["my-group/data"].free > 250 * MIB
    assert by_name["my-group/swap"].free == 64 * MIB - (64 << 10)
    [(_, offset, size)] = lvm.places("my-group/raw")
    assert overlap(found.used, Range(MIB + offset, size)) == size == 32 * MIB
    group = SIZE - (120 + 64 + 32 + 80 + 360) * MIB
    inside = sum(by_name[f"my-group/{n}"].free for n in ("root-a", "data", "swap"))
    assert group - 5 * MIB <= by_name[f"partition at {MIB}"].free - inside <= group

    target = make_disk("target", SIZE + 2 * MIB)
    copy(disk, target, found.used)
    new_part = attach(target, offset=MIB, size=SIZE)
    lvm = Lvm(tmp_path, new_part)
    lvm("vgck", "my-group")
    arrived = tmp_path / "arrived"
    move(lvm.places("my-group/root-a"), arrived, out=False)
    inner = attach(arrived)
    run("e2fsck", "-fn", inner)
    with mounted(inner) as folder:
        assert digests(folder) == before
    on_volume(attach, lvm.places("my-group/data"), "xfs_repair", "-n")


def test_volumes_in_pieces_or_stripes_are_used_as_a_whole(make_disk, attach, tmp_path):
    disks = [make_disk(f"disk{n}", 300 * MIB) for n in range(2)]
    lvm = Lvm(tmp_path, *disks)
    lvm("pvcreate", *disks)
    lvm("vgcreate", "group", *disks)
    lvm.create("-n", "spans", "-L", "40M", "group", disks[0])
    lvm.create("-n", "striped", "-i", "2", "-L", "64M", "group")
    lvm("lvextend", "-y", "-n", "-L", "+40M", "group/spans", disks[1])
    subprocess.run(["sync"], check=True)
    for disk in disks:
        found = plan(disk)
        assert doubts(found).keys() <= {"group/spans"}
        # 40 MiB of one, half of the other, and what is before and behind the extents
        assert 72 * MIB < length(found.used) <= 80 * MIB


@pytest.mark.parametrize("damage", ["label", "header", "text"])
def test_damaged_metadata_is_a_doubt(make_disk, tmp_path, damage):
    disk = make_disk("disk", 300 * MIB)
    lvm = Lvm(tmp_path, disk)
    lvm("pvcreate", disk)
    lvm("vgcreate", "group", disk)
    lvm.create("-n", "some", "-L", "40M", "group")
    run("blockdev", "--flushbufs", disk)
    assert length(plan(disk).used) < 50 * MIB
    with Path(disk).open("r+b") as file:
        file.seek(4096 + 40)
        text = 4096 + int.from_bytes(file.read(8), "little")
        file.seek({"label": 512 + 100, "header": 4096 + 41, "text": text + 100}[damage])
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    run("blockdev", "--flushbufs", disk)
    assert doubts(plan(disk))
    assert length(plan(disk).used) == 300 * MIB


def test_group_without_volumes(make_disk, tmp_path):
    disk = make_disk("disk", 300 * MIB)
    lvm = Lvm(tmp_path, disk)
    lvm("pvcreate", disk)
    assert length(plan(disk).used) == 300 * MIB  # nobody says which extents it will have
    lvm("vgcreate", "group", disk)
    run("blockdev", "--flushbufs", disk)
    assert length(plan(disk).used) <= 5 * MIB
