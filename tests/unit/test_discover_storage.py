"""Discovery of real filesystems, mounted from loop devices that stand in for disks."""

import re
import subprocess
import uuid
from pathlib import Path

import pytest

from rehost.stages.discover import blocks
from rehost.stages.discover.btrfs import find_btrfs
from rehost.stages.discover.fillings import Layout, fill
from rehost.stages.discover.mounts import find_mounts
from rehost.stages.discover.survey import Survey
from rehost.system.host import LiveHost

SIZE = 400 << 20
UUID = "11111111-2222-3333-4444-555555555555"


def command(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def make_disks(tmp_path, monkeypatch, request):
    """Loop devices, seen as disks; all that is mounted or attached is taken away at the end."""
    monkeypatch.setattr(blocks, "FOREIGN", re.compile(r"(?!loop)(ram|zram|sr|fd|nbd)\d.*"))

    def make(count: int) -> list[str]:
        devices = []
        for n in range(count):
            image = tmp_path / f"disk{n}"
            with image.open("wb") as file:
                file.truncate(SIZE)
            devices.append(command("losetup", "--find", "--show", str(image)))
            request.addfinalizer(lambda device=devices[-1]: command("losetup", "-d", device))
        return devices

    return make


@pytest.fixture
def mount(tmp_path, request):
    def at(device: str, name: str, *options: str) -> Path:
        point: Path = tmp_path / name
        point.mkdir()
        command("mount", *options, device, str(point))
        request.addfinalizer(lambda: command("umount", str(point)))
        return point

    return at


def layout(survey: Survey) -> Layout:
    found = blocks.find_blocks(survey)
    mounts = find_mounts(survey, found)
    return Layout(blocks=found, mounts=mounts, records={}, physical_volumes={})


@pytest.mark.needs("root", "loop", "ext4")
def test_ext4(make_disks, mount):
    [device] = make_disks(1)
    command("mkfs.ext4", "-q", "-U", UUID, "-I", "256", "-b", "4096", device)
    point = mount(device, "back up")
    survey = Survey(LiveHost())
    known = layout(survey)
    block = known.blocks.at(device)
    assert block
    filling = fill(survey, known, block)
    assert (filling.file_system, filling.uuid, filling.mount_point) == ("ext4", UUID, str(point))
    assert (filling.block_size, filling.blocks) == (4096, SIZE // 4096)
    used = command("stat", "-f", "-c", "%b %f", str(point)).split()
    assert filling.used == (int(used[0]) - int(used[1])) * 4096
    assert str(filling.inodes) == command("stat", "-f", "-c", "%c", str(point))
    assert survey.missing == ()


@pytest.mark.needs("root", "loop", "xfs")
def test_xfs_that_is_not_mounted_counts_whole(make_disks):
    [device] = make_disks(1)
    command("mkfs.xfs", "-q", device)
    survey = Survey(LiveHost())
    known = layout(survey)
    block = known.blocks.at(device)
    assert block
    filling = fill(survey, known, block)
    assert (filling.file_system, filling.mount_point, filling.used) == ("xfs", "", SIZE)


@pytest.mark.needs("root", "loop", "btrfs")
def test_btrfs_on_two_devices(make_disks, mount):
    first, second = make_disks(2)
    # Another one each time: kernels keep what they knew of one whose devices went away.
    fsid = str(uuid.uuid4())
    command(
        "mkfs.btrfs", "-q", "-U", fsid, "-L", "data", "-m", "raid1", "-d", "raid0", first, second
    )
    top = mount(first, "top")
    for argv in (["create", "@"], ["create", "@home"], ["snapshot", "-r", "@", "snap 1"]):
        paths = [str(top / a) if a[0] in "@s" and a != "snapshot" else a for a in argv]
        command("btrfs", "subvolume", *paths)
    command("btrfs", "subvolume", "set-default", str(top / "@"))
    home = mount(first, "home", "-o", "subvol=@home")
    survey = Survey(LiveHost())
    known = layout(survey)
    parts = [known.blocks.at(d) for d in (first, second)]
    fillings = {b.name: fill(survey, known, b) for b in parts if b}
    [found] = find_btrfs(survey, known, fillings)
    assert (found.label, found.uuid, found.device) == ("data", fsid, f"{first};{second}")
    assert (found.size, found.nodesize, found.sectorsize) == (2 * SIZE, 16384, 4096)
    assert (found.data_profile, found.metadata_profile) == ("raid0", "raid1")
    assert (found.system_profile, found.global_reserve1) == ("raid1", "single")
    assert (found.default_subvol_name, found.default_subvol_mountpath) == ("@", "")
    assert [(s.subvol_name, s.is_snapshot, s.subvol_mount_path) for s in found.subvolumn or ()] == [
        ("@", "false", ""),
        ("@home", "false", str(home)),
        ("snap 1", "true", ""),
    ]
    assert all(f.used and f.used < SIZE for f in fillings.values())
    assert survey.missing == ()
