import os
import re
import threading

import pytest

from rehost.storage.used.disk import plan, used_ranges
from tests.blockdev.conftest import run
from tests.blockdev.files import (
    MIB,
    copy,
    delete_some,
    digests,
    extents,
    fill,
    length,
    overlap,
)

pytestmark = pytest.mark.needs("root", "loop", "xfs", "sfdisk", "xfs_db", "xfs_repair", "xfs_io")
SIZE = 400 * MIB
KINDS = {
    "plain": [],
    "small-blocks": ["-b", "size=1024"],
    "rmap": ["-m", "rmapbt=1", "-d", "agcount=5"],
    "log-stripes": ["-l", "su=64k,size=64m"],
    "sectors": ["-s", "size=4096"],
}


def free_of(device: str) -> int:
    """What the filesystem's own tool finds in its trees."""
    printed = run("xfs_db", "-r", "-c", "freesp -s", "-c", "sb 0", "-c", "p blocksize", device)
    blocks = re.search(r"total free blocks (\d+)", printed)
    size = re.search(r"blocksize = (\d+)", printed)
    assert blocks
    assert size
    return int(blocks[1]) * int(size[1])


@pytest.mark.parametrize("kind", KINDS)
def test_used_ranges_are_the_whole_filesystem(make_disk, attach, mounted, kind):
    disk = make_disk("disk", SIZE + 2 * MIB)
    run("sh", "-c", f"echo '1MiB,{SIZE // MIB}MiB,L' | sfdisk -q --no-reread {disk}")
    part = attach(disk, offset=MIB, size=SIZE)
    run("mkfs.xfs", "-q", "-f", *KINDS[kind], part)
    assert plan(disk).parts[0].doubt == ""
    for seed in range(3):
        with mounted(part) as root:
            fill(root, SIZE // 8, seed=seed)
            delete_some(root, seed=seed)
            before = digests(root)
    found = plan(disk)
    assert (found.parts[0].content, found.parts[0].doubt) == ("xfs", "")
    assert 0.9 * free_of(part) <= found.parts[0].free <= free_of(part)

    target = make_disk("target", SIZE + 2 * MIB)
    copy(disk, target, found.used)
    new_part = attach(target, offset=MIB, size=SIZE)
    run("xfs_repair", "-n", new_part)
    with mounted(new_part, "-o", "nouuid") as root:
        assert digests(root) == before


def test_filesystem_without_checksums(make_disk, tmp_path):
    content = tmp_path / "content"
    content.write_bytes(bytes(range(256)) * (5 * MIB // 256))
    script = tmp_path / "proto"
    script.write_text(f"/\n0 0\nd--755 0 0\nfile ---644 0 0 {content}\n$\n")
    disk, target = make_disk("disk", SIZE), make_disk("target", SIZE)
    # The kernels of today no longer mount it.
    run("mkfs.xfs", "-q", "-f", "-m", "crc=0,finobt=0,reflink=0", "-p", script, disk)
    found = plan(disk)
    assert (found.parts[0].content, found.parts[0].doubt) == ("xfs", "")
    assert 0.99 * free_of(disk) <= found.parts[0].free <= free_of(disk)
    copy(disk, target, found.used)
    run("xfs_repair", "-n", target)


def test_head_of_the_log_is_found_after_it_has_gone_round(make_disk, mounted):
    disk = make_disk("disk", SIZE)
    run("mkfs.xfs", "-q", "-f", "-l", "size=64m", "-i", "size=2048", disk)
    heads: list[int] = []
    while not heads or heads[-1] >= max(heads):
        with mounted(disk) as root:
            for n in range(6000):
                name = root / f"{len(heads)}-{n}"
                name.touch()
                os.setxattr(name, "user.long", bytes(1500))
            run("sync", "-f", root)
            for name in root.iterdir():
                name.unlink()
        assert plan(disk).parts[0].doubt == ""
        printed = run("xfs_logprint", "-t", disk)
        head = re.search(r"tail: (\d+) head: (\d+) state: <CLEAN>", printed)
        assert head
        heads.append(int(head[2]))


@pytest.mark.parametrize("when", ["at once", "after a while"])
def test_log_that_was_not_replayed_is_a_doubt(make_disk, mounted, tmp_path, when):
    disk = make_disk("disk", SIZE)
    run("mkfs.xfs", "-q", "-f", disk)
    crashed = make_disk("crashed", SIZE)
    with mounted(disk) as root:
        if when == "after a while":
            fill(root, 50 * MIB)
        (root / "last").write_bytes(b"x" * MIB)
        run("sync", "-f", root)
        run("cp", "--sparse=always", disk, tmp_path / "crashed.img")
        run("blockdev", "--flushbufs", crashed)
    [part] = plan(crashed).parts
    assert "log" in part.doubt
    assert length(plan(crashed).used) == SIZE


def test_mounted_filesystem_is_asked_and_not_its_disk(make_disk, mounted):
    disk = make_disk("disk", SIZE)
    run("mkfs.xfs", "-q", "-f", disk)
    with mounted(disk) as root:
        run("sync", "-f", root)
        new = root / "new"
        run("dd", "if=/dev/urandom", f"of={new}", "bs=1M", "count=40", "conv=fsync")
        used = used_ranges(disk)
        for extent in extents(new):
            assert overlap(used, extent) == extent.length
        assert length(used) < SIZE // 2


def test_writer_goes_on(make_disk, mounted):
    disk = make_disk("disk", SIZE)
    run("mkfs.xfs", "-q", "-f", disk)
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
        big = [path for path in sorted(root.rglob("f*")) if path.stat().st_size > MIB]
        kept = [e for path in big for e in extents(path)]
        for path in big:
            path.rename(path.with_name("kept" + path.name))
        thread = threading.Thread(target=write)
        thread.start()
        try:
            for _ in range(10):
                found = plan(disk)
                assert found.parts[0].doubt == ""
                assert length(found.used) < SIZE
                for extent in kept:
                    assert overlap(found.used, extent) == extent.length
        finally:
            stop.set()
            thread.join()


def test_filesystem_of_another_device_is_not_mixed_up(make_disk, mounted):
    disk, other = make_disk("disk", SIZE), make_disk("other", SIZE)
    for each in (disk, other):
        run("mkfs.xfs", "-q", "-f", each)
    with mounted(disk) as root, mounted(other):
        run("dd", "if=/dev/urandom", f"of={root}/new", "bs=1M", "count=100", "conv=fsync")
        assert length(used_ranges(disk)) > length(used_ranges(other)) + 90 * MIB
