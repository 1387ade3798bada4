"""Trackers on real disks, and what a killed one leaves behind."""

import mmap
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from rehost.model.ranges import Range
from rehost.model.tracking import Tracker
from rehost.stages.replicate import track_blktrace, track_ebpf
from rehost.stages.replicate.track import Follower, track
from rehost.system import blockdev, bpf
from rehost.system.block_programs import WRITES, Attached, Door, Lost, On, Recorded, Typed
from rehost.system.marks import Layout, MappedMarks, Marks, SwappedMarks, lay_out
from tests.blockdev.conftest import MakeDisk, run
from tests.conftest import has

pytestmark = pytest.mark.needs("root", "loop", "bpf")
KIB, MIB = 1 << 10, 1 << 20
BLOCK = 64 * KIB
DOORS: dict[str, tuple[Callable[[], Door], Callable[[Layout], Marks]]] = {
    "typed": (Typed, MappedMarks),
    "recorded": (Recorded, MappedMarks),
    "swapped": (Recorded, SwappedMarks),
}
TRACKERS = [*DOORS, pytest.param("blktrace", marks=pytest.mark.needs("blktrace ioctl"))]

Follow = Callable[..., Follower]


@pytest.fixture
def no_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events of other disks that are lost make answers longer than they must be."""
    monkeypatch.setattr(Attached, "lost", lambda _: Lost())


@pytest.fixture
def follow() -> Iterator[Follow]:
    with ExitStack() as cleanup:

        def follow(name: str, *disks: str, events: Sequence[On] = WRITES) -> Follower:
            places = [blockdev.find(disk) for disk in disks]
            follower: Follower
            if name == "blktrace":
                follower = track_blktrace.BlktraceFollower(places)
            else:
                door, marks = DOORS[name]
                layout = lay_out([place.disk for place in places])
                follower = track_ebpf.EbpfFollower(places, door(), marks(layout), events)
            cleanup.callback(follower.close)
            return follower

        yield follow


def write(disk: str, offset: int, size: int) -> None:
    """Returns when it is on the disk; the page cache has no part in it."""
    fd = os.open(disk, os.O_WRONLY | os.O_DIRECT)
    try:
        with mmap.mmap(-1, size) as memory:
            memory.write(b"x" * size)
            assert os.pwritev(fd, [memory], offset) == size
    finally:
        os.close(fd)


@pytest.mark.usefixtures("no_losses")
@pytest.mark.parametrize("tracker", TRACKERS)
def test_written_blocks_are_taken_once(make_disk: MakeDisk, follow: Follow, tracker: str):
    disk = make_disk("disk", 64 * MIB + 4096)
    follower = follow(tracker, disk)
    write(disk, 4096, 4096)
    write(disk, 3 * BLOCK - 4096, 8192)
    write(disk, 64 * MIB, 4096)
    assert follower.take(disk) == (
        Range(0, BLOCK),
        Range(2 * BLOCK, 2 * BLOCK),
        Range(64 * MIB, 4096),
    )
    assert follower.take(disk) == ()
    write(disk, 4096, 4096)
    assert follower.take(disk) == (Range(0, BLOCK),)


@pytest.mark.usefixtures("no_losses")
@pytest.mark.parametrize("tracker", TRACKERS)
def test_reads_are_not_taken(make_disk: MakeDisk, follow: Follow, tracker: str):
    disk = make_disk("disk", 64 * MIB)
    follower = follow(tracker, disk)
    run("dd", f"if={disk}", "of=/dev/null", "bs=1M", "iflag=direct")
    assert follower.take(disk) == ()


@pytest.mark.usefixtures("no_losses")
@pytest.mark.parametrize("tracker", TRACKERS)
@pytest.mark.parametrize("zero", [(), ("-z",)])
def test_long_requests_are_covered(
    make_disk: MakeDisk, follow: Follow, tracker: str, zero: tuple[str, ...]
):
    disk = make_disk("disk", 4 << 30)
    follower = follow(tracker, disk)
    start, size = 100 * MIB, 1500 * MIB
    run("blkdiscard", *zero, "-o", start, "-l", size, disk)
    taken = follower.take(disk)
    assert taken
    covered = sum(min(r.end, start + size) - max(r.offset, start) for r in taken)
    assert covered == size
    assert sum(r.length for r in taken) < 1.4 * size
    assert follower.take(disk) == ()


@pytest.mark.usefixtures("no_losses")
@pytest.mark.parametrize("tracker", TRACKERS)
def test_several_disks_are_told_apart(make_disk: MakeDisk, follow: Follow, tracker: str):
    first, second, other = (make_disk(name, 64 * MIB) for name in ("first", "second", "other"))
    follower = follow(tracker, first, second)
    write(other, 0, 4096)
    write(first, 0, 4096)
    write(second, BLOCK, 4096)
    assert follower.take(second) == (Range(BLOCK, BLOCK),)
    assert follower.take(first) == (Range(0, BLOCK),)


@pytest.mark.usefixtures("no_losses")
@pytest.mark.parametrize("tracker", DOORS)
def test_a_write_behind_the_old_end_of_a_disk_that_grew_makes_it_unknown(
    make_disk: MakeDisk, follow: Follow, tmp_path: Path, tracker: str
):
    disk = make_disk("disk", 64 * MIB)
    follower = follow(tracker, disk)
    os.truncate(tmp_path / "disk.img", 65 * MIB)
    run("losetup", "--set-capacity", disk)
    write(disk, 64 * MIB, 4096)
    assert follower.take(disk) is None
    write(disk, 0, 4096)
    assert follower.take(disk) == (Range(0, BLOCK),)


@pytest.fixture
def slow_disk(make_slow_disk: MakeDisk) -> str:
    """Each write to it takes half a second."""
    return make_slow_disk(64 * MIB, delay_ms=500)


def read_before_a_write_ends(disk: str, follower: Follower) -> tuple[Range, ...] | None:
    """What `take` says after a write that was issued before the last `take`, and ended later."""
    writer = threading.Thread(target=write, args=(disk, 0, 4096))
    writer.start()
    while not follower.take(disk):
        assert writer.is_alive(), "the write had ended before it was seen"
    # Here the block would be read, and the write is not in what is read.
    assert writer.is_alive()
    writer.join()
    return follower.take(disk)


@pytest.mark.usefixtures("no_losses")
@pytest.mark.needs("nbdkit", "nbdfuse", "fusermount3")
@pytest.mark.parametrize("tracker", TRACKERS)
def test_a_write_that_ends_after_its_block_was_read_is_taken_again(
    slow_disk: str, follow: Follow, tracker: str
):
    assert read_before_a_write_ends(slow_disk, follow(tracker, slow_disk)) == (Range(0, BLOCK),)


@pytest.mark.usefixtures("no_losses")
@pytest.mark.needs("nbdkit", "nbdfuse", "fusermount3")
def test_it_would_be_lost_without_the_completion(slow_disk: str, follow: Follow):
    follower = follow("typed", slow_disk, events=(On.ISSUE,))
    assert read_before_a_write_ends(slow_disk, follower) == ()


@pytest.mark.needs("nbdkit", "nbdfuse", "fusermount3")
@pytest.mark.parametrize("tracker", ["recorded", "swapped"])
def test_a_completion_that_no_program_saw_is_noticed(slow_disk: str, follow: Follow, tracker: str):
    follower = follow(tracker, slow_disk, events=(On.ISSUE,))
    assert read_before_a_write_ends(slow_disk, follower) in ((Range(0, BLOCK),), None)


@pytest.mark.usefixtures("no_losses")
@pytest.mark.parametrize("allowed", [[t] for t in Tracker])
def test_the_tracker_is_chosen_among_the_allowed(make_disk: MakeDisk, allowed: list[Tracker]):
    disk = make_disk("disk", 64 * MIB)
    tracking = track([disk], allowed=allowed)
    try:
        choice = tracking.choices[disk]
        if allowed == [Tracker.BLKTRACE] and not has("blktrace ioctl"):
            assert choice.tracker is Tracker.RESCAN
            assert choice.reason.startswith("blktrace: ")
        else:
            assert choice.tracker is allowed[0]
        write(disk, 0, 4096)
        wanted = None if choice.tracker is Tracker.RESCAN else (Range(0, BLOCK),)
        assert tracking.take(disk) == wanted
    finally:
        tracking.close()


def test_each_tracking_has_a_token_of_its_own(make_disk: MakeDisk):
    disk = make_disk("disk", 64 * MIB)
    first, second = track([disk]), track([disk])
    first.close()
    second.close()
    second.close()
    assert first.token != second.token


def in_kernel() -> tuple[frozenset[int], frozenset[int]]:
    return bpf.ids(bpf.PROG_NEXT_ID), bpf.ids(bpf.MAP_NEXT_ID)


def wait_for(what: Callable[[], bool]) -> bool:
    """The kernel frees programs some time after their last user is gone."""
    deadline = time.monotonic() + 10
    while not what() and time.monotonic() < deadline:
        time.sleep(0.05)
    return what()


@pytest.mark.parametrize("tracker", [Tracker.EBPF_MMAP, Tracker.EBPF_LOOKUP])
def test_a_killed_tracker_leaves_nothing_in_the_kernel(make_disk: MakeDisk, tracker: Tracker):
    disk = make_disk("disk", 64 * MIB)
    before = in_kernel()
    program = (
        "import sys, time\n"
        "from rehost.stages.replicate.track import track\n"
        f"tracking = track([{disk!r}], allowed=[{tracker.value!r}])\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        programs, maps = in_kernel()
        assert programs - before[0]
        assert maps - before[1]
        process.send_signal(signal.SIGKILL)
    assert wait_for(lambda: not (in_kernel()[0] - before[0] or in_kernel()[1] - before[1]))
    assert not [
        line for line in Path("/proc/mounts").read_text().split() if "rehost-tracefs" in line
    ]
