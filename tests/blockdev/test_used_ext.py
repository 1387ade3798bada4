import re
import threading

import pytest

from rehost.storage.used.disk import plan, used_ranges
from tests.blockdev.conftest import run
from tests.blockdev.files import MIB, copy, delete_some, digests, extents, fill, length, overlap

pytestmark = pytest.mark.needs("root", "loop", "ext4", "sfdisk", "dumpe2fs")
SIZE = 512 * MIB
KINDS = {
    "ext2": ["-t", "ext2", "-b", "1024"],
    "ext3": ["-t", "ext3", "-b", "2048"],
    "ext4": ["-t", "ext4"],
    "ext4-1k": ["-t", "ext4", "-b", "1024"],
    "ext4-small-groups": ["-t", "ext4", "-g", "8192", "-O", "^flex_bg,^resize_inode"],
    "ext4-meta_bg": ["-t", "ext4", "-b", "1024", "-O", "meta_bg,^resize_inode"],
    "ext4-no-csum": ["-t", "ext4", "-O", "^metadata_csum,uninit_bg,^64bit"],
    "ext4-sparse_super2": ["-t", "ext4", "-b", "1024", "-O", "sparse_super2"],
    "ext4-no-journal": ["-t", "ext4", "-O", "^has_journal", "-I", "128"],
}


def free_of(device: str) -> int:
    printed = run("dumpe2fs", "-h", device)
    blocks, size = (
        int(re.search(rf"^{name}: +(\d+)", printed, re.MULTILINE)[1])  # type: ignore[index]
        for name in ("Free blocks", "Block size")
    )
    return blocks * size


@pytest.mark.parametrize("kind", KINDS)
def test_used_ranges_are_the_whole_filesystem(make_disk, attach, mounted, kind):
    disk = make_disk("disk", SIZE + 2 * MIB)
    run("sh", "-c", f"echo '1MiB,{SIZE // MIB}MiB,L' | sfdisk -q --no-reread {disk}")
    part = attach(disk, offset=MIB, size=SIZE)
    run("mke2fs", "-q", "-F", *KINDS[kind], part)
    with mounted(part) as root:
        fill(root, SIZE // 3)
        delete_some(root)
        before = digests(root)
    found = plan(disk).parts[0]
    assert (found.content, found.doubt) == (kind.split("-", maxsplit=1)[0], "")
    used = used_ranges(disk)
    assert found.free >= 0.85 * free_of(part)
    assert found.free <= free_of(part)

    target = make_disk("target", SIZE + 2 * MIB)
    copy(disk, target, used)
    new_part = attach(target, offset=MIB, size=SIZE)
    run("e2fsck", "-fn", new_part)
    with mounted(new_part) as root:
        assert digests(root) == before


def test_mounted_filesystem_is_asked_and_not_its_disk(make_disk, mounted):
    disk = make_disk("disk", SIZE)
    run("mke2fs", "-q", "-F", "-t", "ext4", disk)
    with mounted(disk, "-o", "commit=600") as root:
        run("sync", "-f", root)
        # On the disk at once, but for the bitmaps: not even the journal has them for a while.
        new = root / "new"
        run("dd", "if=/dev/urandom", f"of={new}", "bs=1M", "count=40", "oflag=direct")
        used = used_ranges(disk)
        for extent in extents(new):
            assert overlap(used, extent) == extent.length
        assert length(used) < SIZE // 2


def test_writer_goes_on(make_disk, mounted):
    disk = make_disk("disk", SIZE)
    run("mke2fs", "-q", "-F", "-t", "ext4", disk)
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
        old = {
            path: extents(path) for path in sorted(root.rglob("f*")) if path.stat().st_size > MIB
        }
        kept = {path.with_name("kept" + path.name): e for path, e in old.items()}
        for path, new in zip(old, kept, strict=True):
            path.rename(new)
        thread = threading.Thread(target=write)
        thread.start()
        try:
            for _ in range(10):
                found = plan(disk)
                assert found.parts[0].doubt == ""
                assert length(found.used) < SIZE
                for extent in (e for es in kept.values() for e in es):
                    assert overlap(found.used, extent) == extent.length
        finally:
            stop.set()
            thread.join()
