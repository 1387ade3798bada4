import re
import time

import pytest

from rehost.storage.used.disk import plan
from tests.blockdev.conftest import run
from tests.blockdev.files import MIB, copy, delete_some, digests, fill, length

pytestmark = pytest.mark.needs("root", "loop", "sfdisk", "mkntfs", "ntfs-3g", "ntfsresize")
SIZE = 300 * MIB
KINDS = {"plain": [], "small-clusters": ["-c", "512"], "large-clusters": ["-c", "65536"]}


def used_of(device: str) -> int:
    """In bytes, as megabytes tell it: rounded up."""
    printed = run("ntfsresize", "-i", "-f", device)
    found = re.search(r"Space in use +: (\d+) MB", printed)
    assert found
    return int(found[1]) * 1000 * 1000


@pytest.fixture
def ntfs(mounted):
    """Mounted by FUSE, whose process may end a little later than the mount."""

    def mount(device: str):
        return mounted(device, "-t", "ntfs-3g")

    return mount


@pytest.mark.parametrize("kind", KINDS)
def test_used_ranges_are_the_whole_filesystem(make_disk, attach, ntfs, kind):
    disk = make_disk("disk", SIZE + 2 * MIB)
    run("sh", "-c", f"echo '1MiB,{SIZE // MIB}MiB,7' | sfdisk -q --no-reread {disk}")
    part = attach(disk, offset=MIB, size=SIZE)
    run("mkntfs", "-F", "-Q", "-q", *KINDS[kind], part)
    with ntfs(part) as root:
        fill(root, SIZE // 3)
        delete_some(root)
        before = digests(root)
        [mounted_part] = plan(disk).parts[:1]
        assert mounted_part.doubt
    time.sleep(0.5)
    found = plan(disk)
    assert (found.parts[0].content, found.parts[0].doubt) == ("ntfs", "")
    free = SIZE - used_of(part)
    assert 0.9 * free <= found.parts[0].free <= free + MIB

    target = make_disk("target", SIZE + 2 * MIB)
    copy(disk, target, found.used)
    new_part = attach(target, offset=MIB, size=SIZE)
    run("ntfsfix", "-n", new_part)
    run("ntfsresize", "-i", "-f", new_part)  # checks the bitmap against all files
    with ntfs(new_part) as root:
        assert digests(root) == before


def test_dirty_volume_is_used_as_a_whole(make_disk):
    disk = make_disk("disk", SIZE)
    run("mkntfs", "-F", "-Q", "-q", disk)
    assert length(plan(disk).used) < SIZE // 2
    run("ntfsfix", disk)  # leaves it marked, for Windows to look at
    [part] = plan(disk).parts
    assert "dirty" in part.doubt
    assert length(plan(disk).used) == SIZE


@pytest.mark.parametrize("hibernates", [True, False])
def test_hibernated_windows_is_used_as_a_whole(make_disk, ntfs, tmp_path, hibernates):
    disk = make_disk("disk", SIZE)
    run("mkntfs", "-F", "-Q", "-q", disk)
    file = tmp_path / "hiberfil.sys"
    file.write_bytes((b"HIBR" if hibernates else bytes(4)) + bytes(MIB))
    run("ntfscp", disk, file, "hiberfil.sys")
    [part] = plan(disk).parts
    assert ("hibernates" in part.doubt) == hibernates


def test_image_that_is_mounted_is_used_as_a_whole(ntfs, tmp_path):
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(SIZE)
    run("mkntfs", "-F", "-Q", "-q", image)
    assert length(plan(str(image)).used) < SIZE // 2
    with ntfs(str(image)):
        assert length(plan(str(image)).used) == SIZE
