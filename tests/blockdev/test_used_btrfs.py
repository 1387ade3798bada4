import re
import threading
from pathlib import Path

import pytest

from rehost.storage.used.disk import plan, used_ranges
from tests.blockdev.conftest import run
from tests.blockdev.files import (
    MIB,
    copy,
    delete_some,
    digests,
    fill,
    length,
)

pytestmark = pytest.mark.needs("root", "loop", "btrfs", "sfdisk")
SIZE = 600 * MIB
KINDS = {
    "plain": [],
    "single": ["-m", "single", "-n", "4096"],
    "mixed": ["--mixed"],
    "old": ["-O", "^skinny-metadata,^no-holes", "-R", "^free-space-tree"],
}


def free_of(root: Path) -> int:
    """What the filesystem's own tool calls free: it counts DUP metadata twice."""
    printed = run("btrfs", "filesystem", "usage", "-b", root)
    size, used = (
        int(re.search(rf"{name}:\s+(\d+)", printed)[1])  # type: ignore[index]
        for name in ("Device size", "Used")
    )
    return size - used


@pytest.mark.parametrize("kind", KINDS)
def test_used_ranges_are_the_whole_filesystem(make_disk, attach, mounted, kind):
    disk = make_disk("disk", SIZE + 2 * MIB)
    run("sh", "-c", f"echo '1MiB,{SIZE // MIB}MiB,L' | sfdisk -q --no-reread {disk}")
    part = attach(disk, offset=MIB, size=SIZE)
    run("mkfs.btrfs", "-q", "-f", *KINDS[kind], part)
    with mounted(part) as root:
        fill(root, SIZE // 4)
        run("btrfs", "subvolume", "snapshot", root, root / "snapshot")
        delete_some(root)
        run("sync", "-f", root)
        while_mounted = plan(disk)
        assert (while_mounted.parts[0].content, while_mounted.parts[0].doubt) == ("btrfs", "")
        before, free = digests(root), free_of(root)
    found = plan(disk)
    assert (found.parts[0].content, found.parts[0].doubt) == ("btrfs", "")
    assert 0.9 * free <= found.parts[0].free <= free
    assert abs(found.parts[0].free - while_mounted.parts[0].free) < 4 * MIB

    target = make_disk("target", SIZE + 2 * MIB)
    copy(disk, target, found.used)
    attach.detach(part)  # two devices of one UUID are not mounted
    new_part = attach(target, offset=MIB, size=SIZE)
    run("btrfs", "check", "--check-data-csum", new_part)
    with mounted(new_part) as root:
        assert digests(root) == before


def test_mounted_filesystem_is_asked_and_not_its_disk(make_disk, mounted):
    disk = make_disk("disk", SIZE)
    run("mkfs.btrfs", "-q", "-f", disk)
    with mounted(disk, "-o", "commit=600") as root:
        before = length(used_ranges(disk))
        # On the disk at once, but not in the tree of extents before the next commit.
        new = root / "new"
        run("dd", "if=/dev/urandom", f"of={new}", "bs=1M", "count=40", "oflag=direct")
        assert 40 * MIB <= length(used_ranges(disk)) - before < 50 * MIB


@pytest.mark.parametrize("profile", ["raid1", "raid0", "single"])
def test_devices_of_one_filesystem(make_disk, mounted, profile):
    disks = [make_disk(f"disk{n}", SIZE) for n in range(2)]
    run("mkfs.btrfs", "-q", "-f", "-d", profile, "-m", "raid1", *disks)
    with mounted(disks[0]) as root:
        fill(root, SIZE // 4)
        delete_some(root)
        run("sync", "-f", root)
        for each in map(plan, disks):
            assert each.parts[0].doubt == ""
            assert length(each.used) < SIZE
        before = digests(root)
    plans = [plan(disk) for disk in disks]
    assert [p.parts[0].doubt for p in plans] == ["", ""]
    assert sum(length(p.used) for p in plans) < 1.7 * SIZE
    targets = [make_disk(f"target{n}", SIZE) for n in range(2)]
    for disk, target, each in zip(disks, targets, plans, strict=True):
        copy(disk, target, each.used)
        run("wipefs", "-qa", disk)
    run("btrfs", "device", "scan", *targets)
    with mounted(targets[0]) as root:
        assert digests(root) == before
    run("btrfs", "check", "--check-data-csum", targets[0])


def test_writer_goes_on(make_disk, mounted):
    disk = make_disk("disk", SIZE)
    run("mkfs.btrfs", "-q", "-f", disk)
    stop = threading.Event()
    with mounted(disk) as root:

        def write() -> None:
            seed = 10
            while not stop.is_set():
                fill(root, 20 * MIB, seed=seed)
                delete_some(root, 0.5, seed=seed)
                seed += 1

        fill(root, 50 * MIB)
        run("sync", "-f", root)
        size = sum(path.stat().st_size for path in root.rglob("f*"))
        for path in sorted(root.rglob("f*")):
            path.rename(path.with_name("kept" + path.name))
        thread = threading.Thread(target=write)
        thread.start()
        try:
            for _ in range(5):
                found = plan(disk)
                assert found.parts[0].doubt == ""
                assert size < length(found.used) < SIZE
        finally:
            stop.set()
            thread.join()
