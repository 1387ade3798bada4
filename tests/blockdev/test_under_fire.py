"""A copy that follows a filesystem under load is, at the cut, the same byte for byte.

Threads write, truncate, map, sync and delete; passes copy what the tracker says. Then the
filesystem is frozen, the last pass runs, and the whole disks are compared.

Mutations, each run by hand with `follow_fire` on ext4 for 15 s:
- ClearsLate, which clears marks after their blocks were read: 133, 347 and 288 blocks of 64 KiB
  differ; on a slow disk, after 4 s, 33.
- Programs at the issue of requests alone: in guests, on a disk whose writes wait for 10 ms, 3
  (5.10), 34 (6.1) and 35 (6.12) blocks differ after 4 s; tests/guest/test_kernels.py checks it.
  Here not in 5 runs: on a loop device there are microseconds between the program's run and the end
  of the write, and most blocks are soon written again. See also test_track.py, where a write ends
  after its block was read, each time.
"""

import os
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import pytest

from rehost.model.ranges import Range
from rehost.stages.replicate import track_ebpf
from rehost.system import blockdev
from rehost.system.block_programs import WRITES, Door, Recorded, Typed
from rehost.system.marks import Area, Layout, MappedMarks, Marks, SwappedMarks, lay_out
from tests.blockdev.conftest import MakeDisk, Mounted, run
from tests.blockdev.fire import follow_fire

pytestmark = pytest.mark.needs("root", "loop", "bpf")
KIB, MIB = 1 << 10, 1 << 20
SIZE = 400 * MIB
FIRE_S = 6.0
LONG_FIRE_S = 120.0
MKFS = {"ext4": ("mkfs.ext4", "-q"), "xfs": ("mkfs.xfs", "-q"), "btrfs": ("mkfs.btrfs", "-q")}
FSCK = {
    "ext4": ("e2fsck", "-fn"),
    "xfs": ("xfs_repair", "-n"),
    "btrfs": ("btrfs", "check", "--readonly"),
}
TRACKERS: dict[str, tuple[Callable[[], Door], Callable[[Layout], Marks]]] = {
    "typed": (Typed, MappedMarks),
    "recorded": (Recorded, MappedMarks),
    "swapped": (Recorded, SwappedMarks),
}


@contextmanager
def following(disk: str, tracker: str, marks: Callable[[Layout], Marks] | None = None):
    door, default = TRACKERS[tracker]
    place = blockdev.find(disk)
    made = (marks or default)(lay_out([place.disk]))
    follower = track_ebpf.EbpfFollower([place], door(), made, WRITES)
    try:
        yield follower
    finally:
        follower.close()


FIRES = [
    pytest.param("ext4", "typed", FIRE_S, marks=pytest.mark.needs("ext4")),
    *(
        pytest.param(kind, tracker, LONG_FIRE_S, marks=[pytest.mark.needs(kind), pytest.mark.slow])
        for kind in MKFS
        for tracker in TRACKERS
    ),
]


@pytest.mark.parametrize(("kind", "tracker", "seconds"), FIRES)
def test_the_copy_is_the_same_at_the_cut(
    make_disk: MakeDisk, mounted: Mounted, tmp_path: Path, kind: str, tracker: str, seconds: float
):
    disk = make_disk("disk", SIZE)
    run(*MKFS[kind], disk)
    image = tmp_path / "image"
    with mounted(disk, "-o", "discard") as folder, following(disk, tracker) as follower:
        assert follow_fire(disk, folder, image, follower, seconds=seconds) == []
    run(*FSCK[kind], image)


@pytest.mark.needs("ext4", "nbdkit", "nbdfuse", "fusermount3")
def test_the_copy_of_a_slow_disk_is_the_same_at_the_cut(
    make_slow_disk: MakeDisk, mounted: Mounted, tmp_path: Path
):
    disk = make_slow_disk(64 * MIB, delay_ms=5)
    run(*MKFS["ext4"], disk)
    image = tmp_path / "image"
    with mounted(disk) as folder, following(disk, "typed") as follower:
        assert follow_fire(disk, folder, image, follower, seconds=4, gentle=True) == []
    run(*FSCK["ext4"], image)


class ClearsLate(MappedMarks):
    """Wrong on purpose: marks are cleared at the next call, when their blocks have been read."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self._seen: list[tuple[int, int]] = []

    def collect(self, area: Area) -> tuple[Range, ...] | None:
        for first, behind in self._seen:
            self._memory[first:behind] = bytes(behind - first)
        before = self._memory[area.starts[0] : area.outside + 1]
        ranges = super().collect(area)
        seen = [n for n, byte in enumerate(before) if byte]
        self._seen = [(area.starts[0] + n, area.starts[0] + n + 1) for n in seen]
        for first, behind in self._seen:
            self._memory[first:behind] = b"\1" * (behind - first)
        return ranges


def test_a_tracker_that_clears_late_loses_writes(make_disk: MakeDisk):
    disk = make_disk("disk", 64 * MIB)

    def write() -> None:
        fd = os.open(disk, os.O_WRONLY)
        os.pwrite(fd, b"x", 0)
        os.fsync(fd)
        os.close(fd)

    taken = {}
    for marks in (MappedMarks, ClearsLate):
        with following(disk, "typed", marks) as follower:
            write()
            assert follower.take(disk) == (Range(0, 64 * KIB),)
            # Here it is read, and then written again.
            write()
            taken[marks] = follower.take(disk)
    assert taken == {MappedMarks: (Range(0, 64 * KIB),), ClearsLate: ()}
