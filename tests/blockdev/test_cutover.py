"""Real filesystems that are frozen, and thawed whatever happens to who froze them."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rehost.cutover_errors import FreezeEnded, FreezeFailed, HookFailed
from rehost.stages.cutover import Cut, Hook, cut
from rehost.storage.used.disk import used_ranges
from rehost.system import file_systems
from rehost.system.freezing import FIFREEZE, FITHAW
from rehost.system.reader import Reader
from tests.blockdev.conftest import MakeDisk, Mounted, run

pytestmark = pytest.mark.needs("root", "loop", "ext4")
MIB = 1 << 20
MKFS = {"ext4": ("mkfs.ext4", "-q"), "xfs": ("mkfs.xfs", "-q"), "btrfs": ("mkfs.btrfs", "-q")}
KINDS = [pytest.param(kind, marks=pytest.mark.needs(kind)) for kind in MKFS]


def is_frozen(folder: Path) -> bool:
    """By trying to freeze it, which says that it is already."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, FIFREEZE, 0)
    except OSError as e:
        if e.errno != errno.EBUSY:
            raise
        return True
    else:
        fcntl.ioctl(fd, FITHAW, 0)
        return False
    finally:
        os.close(fd)


def content(disk: str) -> bytes:
    """What is on the disk itself: the page cache may know better."""
    with Reader(disk, direct=True) as reader:
        return b"".join(reader.read(at, MIB) for at in range(0, reader.size, MIB))


def wait_for(what: Callable[[], bool], limit_s: float = 20) -> None:
    deadline = time.monotonic() + limit_s
    while not what():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_written_while_the_work_runs(make_disk: MakeDisk, mounted: Mounted, kind: str):
    disk = make_disk("disk", 320 * MIB)
    run(*MKFS[kind], disk)
    with mounted(disk) as folder:
        wrote, stop = [], threading.Event()

        def write() -> None:
            while not stop.is_set():
                (folder / "file").write_bytes(os.urandom(5000))
                os.sync()
                wrote.append(time.monotonic())

        def work() -> tuple[float, float]:
            time.sleep(0.1)  # a write that had begun may end
            began = time.monotonic()
            first = content(disk)
            time.sleep(0.3)
            assert content(disk) == first
            return began, time.monotonic()

        writer = threading.Thread(target=write)
        writer.start()
        try:
            wait_for(lambda: bool(wrote))
            done: Cut[tuple[float, float]] = cut([disk], work)
            wait_for(lambda: wrote[-1] > done.value[1])
        finally:
            stop.set()
            writer.join()
        began, ended = done.value
        assert not [at for at in wrote if began < at < ended]
        assert done.frozen == (str(folder),)
        assert done.duration_s > 0.4
        assert not is_frozen(folder)


def test_each_filesystem_is_frozen_once_and_the_deepest_first(
    make_disk: MakeDisk, mounted: Mounted, attach: Callable[..., str], tmp_path: Path
):
    outer = make_disk("outer", 200 * MIB)
    run(*MKFS["ext4"], outer)
    with mounted(outer) as below:
        (below / "a/b").mkdir(parents=True)
        image = below / "image"
        with image.open("wb") as file:
            file.truncate(64 * MIB)
        inner = attach(image)
        run(*MKFS["ext4"], inner)
        beside = tmp_path / "bind"
        beside.mkdir()
        # The inner one is mounted nearer to the root than what holds its image.
        near = Path("/mnt/rehost-test")
        near.mkdir()
        run("mount", inner, near)
        run("mount", "--bind", below / "a", beside)
        try:
            both = cut([outer], lambda: (is_frozen(near), is_frozen(below), is_frozen(beside)))
            assert both.value == (True, True, True)
            assert both.frozen == (str(near), str(below))
            only = cut([inner], lambda: (is_frozen(near), is_frozen(below)))
            assert only.value == (True, False)
            assert only.frozen == (str(near),)
        finally:
            run("umount", beside)
            run("umount", near)
            near.rmdir()
        run("losetup", "--detach", inner)
        assert not is_frozen(below)
        # For the fixture, which detaches it again.
        run("losetup", inner, tmp_path / "outer.img")


@pytest.mark.needs("btrfs")
def test_a_btrfs_of_two_disks_is_frozen_for_either(make_disk: MakeDisk, mounted: Mounted):
    first, second = make_disk("first", 128 * MIB), make_disk("second", 128 * MIB)
    run("mkfs.btrfs", "-q", first, second)
    run("btrfs", "device", "scan", first, second)
    with mounted(first) as folder:
        run("btrfs", "subvolume", "create", folder / "sub")
        with mounted(first, "-o", "subvol=sub"):
            for disk in (first, second):
                done = cut([disk], lambda: is_frozen(folder))
                assert done.value
                assert done.frozen == (str(folder),)


def test_what_is_mounted_read_only_is_left_alone(make_disk: MakeDisk, mounted: Mounted):
    disk = make_disk("disk", 64 * MIB)
    run(*MKFS["ext4"], disk)
    with mounted(disk, "-o", "ro"):
        assert cut([disk], lambda: 7).frozen == ()


def test_a_mount_point_that_another_mount_hides_is_reached_by_another_way(
    make_disk: MakeDisk, mounted: Mounted, tmp_path: Path
):
    disk = make_disk("disk", 64 * MIB)
    run(*MKFS["ext4"], disk)
    other = tmp_path / "other"
    other.mkdir()
    with mounted(disk) as folder:
        run("mount", "-t", "tmpfs", "none", folder)
        try:
            hidden = cut([disk], lambda: None)
            assert [(s.path, s.reason) for s in hidden.skipped] == [
                (str(folder), "another mount hides it")
            ]
            run("mount", disk, other)
            assert cut([disk], lambda: is_frozen(other)).value
        finally:
            run("umount", folder)
            run("umount", other)


def test_one_that_another_program_has_frozen_stays_so(make_disk: MakeDisk, mounted: Mounted):
    first, second = make_disk("first", 64 * MIB), make_disk("second", 64 * MIB)
    for disk in (first, second):
        run(*MKFS["ext4"], disk)
    with mounted(first) as one, mounted(second) as two:
        run("fsfreeze", "--freeze", two)
        try:
            with pytest.raises(FreezeFailed, match="backup"):
                cut([first, second], lambda: None)
            assert not is_frozen(one)
            assert is_frozen(two)
        finally:
            run("fsfreeze", "--unfreeze", two)


def test_all_are_thawed_when_the_work_fails(make_disk: MakeDisk, mounted: Mounted):
    disk = make_disk("disk", 64 * MIB)
    run(*MKFS["ext4"], disk)
    with mounted(disk) as folder:

        def work() -> None:
            raise ValueError("the link broke")

        with pytest.raises(ValueError, match="the link broke"):
            cut([disk], work)
        assert not is_frozen(folder)


def test_a_freeze_ends_at_the_deadline_and_the_copy_is_not_trusted(
    make_disk: MakeDisk, mounted: Mounted
):
    disk = make_disk("disk", 64 * MIB)
    run(*MKFS["ext4"], disk)
    with mounted(disk) as folder:

        def work() -> None:
            assert is_frozen(folder)
            wait_for(lambda: not is_frozen(folder))

        with pytest.raises(FreezeEnded):
            cut([disk], work, limit_s=0.3)


AGENT = """
import sys, time
from pathlib import Path
from rehost.stages.cutover import Hook, cut
disk, folder, limit_s = sys.argv[1:]
hook = Hook(name="database", pre=("/bin/touch", folder + "/pre"),
            post=("/bin/touch", folder + "/post"))
def work():
    print("frozen", flush=True)
    time.sleep(120)
cut([disk], work, limit_s=float(limit_s), hooks=[hook])
"""


@pytest.mark.parametrize(("number", "limit_s"), [(signal.SIGKILL, 60), (signal.SIGSTOP, 1)])
def test_a_killed_or_stopped_agent_leaves_nothing_frozen(
    make_disk: MakeDisk, mounted: Mounted, tmp_path: Path, number: int, limit_s: int
):
    disk = make_disk("disk", 64 * MIB)
    run(*MKFS["ext4"], disk)
    argv = [sys.executable, "-c", AGENT, disk, str(tmp_path), str(limit_s)]
    with mounted(disk) as folder, subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"frozen\n"
            assert is_frozen(folder)
            [guard] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            assert (tmp_path / "pre").exists()
            process.send_signal(number)
            wait_for(lambda: not is_frozen(folder))
            wait_for((tmp_path / "post").exists)
        finally:
            process.kill()
            process.wait()
            wait_for(lambda: not Path("/proc", guard).exists())


WAITS_FOR_ITS_HOOK = """
import sys
from rehost.stages.cutover import Hook, cut
disk, folder = sys.argv[1:]
hook = Hook(name="slow", pre=("/bin/sh", "-c", f"touch {folder}/pre; exec sleep 5"),
            post=("/bin/touch", folder + "/post"))
cut([disk], lambda: None, hooks=[hook])
"""


def test_an_agent_that_is_killed_before_it_froze_thaws_nobody_elses(
    make_disk: MakeDisk, mounted: Mounted, tmp_path: Path
):
    disk = make_disk("disk", 64 * MIB)
    run(*MKFS["ext4"], disk)
    argv = [sys.executable, "-c", WAITS_FOR_ITS_HOOK, disk, str(tmp_path)]
    with mounted(disk) as folder:
        with subprocess.Popen(argv) as process:
            wait_for((tmp_path / "pre").exists)
            run("fsfreeze", "--freeze", folder)
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
            process.kill()
        try:
            wait_for((tmp_path / "post").exists)
            wait_for(lambda: not any(Path("/proc", child).exists() for child in children.split()))
            assert is_frozen(folder)
        finally:
            run("fsfreeze", "--unfreeze", folder)


def test_an_image_of_a_frozen_disk_is_clean(make_disk: MakeDisk, mounted: Mounted, tmp_path: Path):
    disk = make_disk("disk", 64 * MIB)
    run(*MKFS["ext4"], disk)
    copy = tmp_path / "copy"
    with mounted(disk) as folder:
        for number in range(100):
            (folder / f"f{number}").write_bytes(os.urandom(10_000))
        cut([disk], lambda: copy.write_bytes(content(disk)))
        run("e2fsck", "-fn", copy)


def hooks(folder: Path, *names: str) -> list[Hook]:
    log = folder / "log"
    return [
        Hook(
            name=name,
            pre=("/bin/sh", "-c", f"echo before {name} >> {log}"),
            post=("/bin/sh", "-c", f"echo after {name} >> {log}"),
        )
        for name in names
    ]


def test_hooks_run_around_the_freeze(make_disk: MakeDisk, mounted: Mounted, tmp_path: Path):
    disk = make_disk("disk", 64 * MIB)
    run(*MKFS["ext4"], disk)
    with mounted(disk):
        log = tmp_path / "log"
        done = cut([disk], log.read_text, hooks=hooks(tmp_path, "a", "b"))
        assert done.value.splitlines() == ["before a", "before b"]
        assert log.read_text().splitlines()[2:] == ["after b", "after a"]
        assert done.failed_hooks == ()


@pytest.mark.parametrize("pre", [("/bin/false",), ("/bin/sleep", "60"), ("/does/not/exist",)])
def test_a_hook_that_fails_before_the_cut_stops_it_and_is_undone(
    make_disk: MakeDisk, tmp_path: Path, pre: tuple[str, ...]
):
    disk = make_disk("disk", 64 * MIB)
    good, bad, late = hooks(tmp_path, "good", "bad", "late")
    bad = Hook(name="bad", pre=pre, post=bad.post, limit_s=0.5)
    with pytest.raises(HookFailed, match="bad"):
        cut([disk], lambda: pytest.fail("the cut was made"), hooks=[good, bad, late])
    log = (tmp_path / "log").read_text().splitlines()
    assert log == ["before good", "after bad", "after good"]


def test_a_hook_that_fails_after_the_cut_is_told(make_disk: MakeDisk, tmp_path: Path):
    disk = make_disk("disk", 64 * MIB)
    done = cut([disk], lambda: 7, hooks=[Hook(name="database", post=("/bin/false",))])
    assert done.value == 7
    assert done.failed_hooks == ("database",)


def test_a_disk_without_filesystems_needs_no_freeze(make_disk: MakeDisk):
    assert file_systems.on_disks([make_disk("disk", 64 * MIB)]) == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_used_can_be_asked_of_a_filesystem_that_is_frozen(
    make_disk: MakeDisk, mounted: Mounted, kind: str
):
    disk = make_disk("disk", 320 * MIB)
    run(*MKFS[kind], disk)
    with mounted(disk) as folder:
        (folder / "file").write_bytes(os.urandom(5 * MIB))
        # If it had to wait for the thaw, the deadline would end the freeze.
        done = cut([disk], lambda: used_ranges(disk), limit_s=10)
        used = sum(r.length for r in done.value)
        assert 5 * MIB <= used < 160 * MIB
        assert done.frozen == (str(folder),)


def test_where_nothing_is_frozen_there_is_no_deadline(make_disk: MakeDisk):
    disk = make_disk("disk", 64 * MIB)
    assert cut([disk], lambda: time.sleep(0.5), limit_s=0.1).frozen == ()
