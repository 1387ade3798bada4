"""The first process of a guest: trackers on virtio-blk and NVMe disks, and the cut of its root.

Disks: nvme1n1, vda and vdd, empty; vdb with one partition; vdc, whose writes take long.
"""

import ctypes
import json
import os
import platform
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path[:0] = ["/code/src", "/code"]
sys.dont_write_bytecode = True
os.environ["PATH"] = "/usr/sbin:/usr/bin"

from rehost.model.ranges import Range  # noqa: E402
from rehost.model.tracking import Tracker  # noqa: E402
from rehost.stages.cutover import cut  # noqa: E402
from rehost.stages.replicate import track_blktrace, track_ebpf  # noqa: E402
from rehost.stages.replicate.track import Follower, track  # noqa: E402
from rehost.system import blockdev, bpf  # noqa: E402
from rehost.system.block_programs import WRITES, Door, Lost, On, Recorded, Typed  # noqa: E402
from rehost.system.marks import Layout, MappedMarks, Marks, SwappedMarks, lay_out  # noqa: E402
from tests.blockdev import fire  # noqa: E402

MIB = 1 << 20
BLOCK = 64 << 10
DOORS: dict[str, tuple[Callable[[], Door], Callable[[Layout], Marks]]] = {
    "typed": (Typed, MappedMarks),
    "recorded": (Recorded, MappedMarks),
    "swapped": (Recorded, SwappedMarks),
}
FOLLOWERS = (*DOORS, "blktrace")
_libc = ctypes.CDLL(None, use_errno=True)


def mount(kind: str, where: str, source: str = "none") -> None:
    if _libc.mount(source.encode(), where.encode(), kind.encode(), 0, None) < 0:
        raise OSError(ctypes.get_errno(), f"mount {where}")


def follow(name: str, disk: str, events: tuple[On, ...] = WRITES) -> Follower:
    place = blockdev.find(disk)
    if name == "blktrace":
        return track_blktrace.BlktraceFollower([place])
    door, marks = DOORS[name]
    return track_ebpf.EbpfFollower([place], door(), marks(lay_out([place.disk])), events)


def write(disk: str, offset: int, size: int = 4096) -> None:
    fd = os.open(disk, os.O_WRONLY)
    os.pwrite(fd, b"x" * size, offset)
    os.fsync(fd)
    os.close(fd)


def chosen() -> dict[str, Any]:
    """The tracker that each disk gets, and what it gets if only one is allowed."""
    disks = ["/dev/vda", "/dev/nvme1n1", "/dev/vdb1", "/dev/ram0"]
    found = {}
    for allowed in (list(Tracker), *([t] for t in Tracker)):
        tracking = track(disks, allowed=allowed)
        found["best" if len(allowed) > 1 else allowed[0].value] = {
            d: [c.tracker.value, c.reason] for d, c in tracking.choices.items()
        }
        tracking.close()
    return found


def taken(name: str, disk: str) -> list[Any]:
    """Ranges after writes here and there; a second look that finds nothing is None or []."""
    follower = follow(name, disk)
    try:
        write(disk, 4096)
        write(disk, 3 * BLOCK - 4096, 8192)
        write(disk, 9 * MIB)
        first = follower.take(disk)
        return [[r.offset, r.length] for r in first or ()]
    finally:
        follower.close()


def discards_lost(name: str) -> int:
    """Blocks of 64 KiB that were discarded and not taken, of discards that may be merged."""
    disk = "/dev/vda"
    follower = follow(name, disk)
    starts = range(0, 128 * MIB, 4 * BLOCK)
    try:

        def discard(part: range) -> None:
            fd = os.open(disk, os.O_WRONLY)
            for at in part:
                fcntl_discard(fd, at, BLOCK)
            os.close(fd)

        threads = [threading.Thread(target=discard, args=(starts[n::8],)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ranges = follower.take(disk)
        return 0 if ranges is None else sum(not covered(ranges, at) for at in starts)
    finally:
        follower.close()


def fcntl_discard(fd: int, offset: int, length: int) -> None:
    import fcntl
    import struct

    fcntl.ioctl(fd, 0x1277, struct.pack("QQ", offset, length))  # BLKDISCARD


def covered(ranges: tuple[Range, ...], at: int) -> bool:
    return any(r.offset <= at and at + BLOCK <= r.end for r in ranges)


def burn(name: str, disk: str, *, events: tuple[On, ...] = WRITES, gentle: bool = False) -> int:
    """How many blocks differ at the cut."""
    subprocess.run(["mkfs.ext4", "-q", "-F", disk], check=True)
    folder = Path("/mnt")
    subprocess.run(["mount", "-o", "discard", disk, folder], check=True)
    follower = follow(name, disk, events)
    if events != WRITES and isinstance(follower, track_ebpf.EbpfFollower):
        follower._attached.count_with(Lost)  # a mutation must not be noticed
    image = Path("/tmp/image")
    try:
        return len(fire.follow_fire(disk, folder, image, follower, seconds=4, gentle=gentle))
    finally:
        follower.close()
        subprocess.run(["umount", folder], check=True)
        image.unlink(missing_ok=True)


def frozen_root() -> dict[str, Any]:
    """The root filesystem itself, with a vfat and swap beside it."""
    subprocess.run(["mkfs.vfat", "/dev/vdb1"], check=True, stdout=subprocess.DEVNULL)
    mount("vfat", "/mnt", "/dev/vdb1")
    subprocess.run(["mkswap", "/dev/vda"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["swapon", "/dev/vda"], check=True)
    done = cut(["/dev/nvme0n1", "/dev/vdb", "/dev/vda"], lambda: time.sleep(0.5), limit_s=20)
    Path("/tmp-after").write_text("thawed")
    return {
        "frozen": done.frozen,
        "skipped": [[s.path, s.reason] for s in done.skipped],
        "seconds": done.duration_s,
    }


def left_behind() -> list[int]:
    """Programs and maps in the kernel before, while and after a tracker that is killed."""
    counts = [len(bpf.ids(bpf.PROG_NEXT_ID)) + len(bpf.ids(bpf.MAP_NEXT_ID))]
    child = os.fork()
    if child == 0:
        track(["/dev/vda"])
        Path("/tmp-ready").touch()
        time.sleep(60)
        os._exit(0)
    while not Path("/tmp-ready").exists():
        time.sleep(0.05)
    counts.append(len(bpf.ids(bpf.PROG_NEXT_ID)) + len(bpf.ids(bpf.MAP_NEXT_ID)))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    for _ in range(100):
        now = len(bpf.ids(bpf.PROG_NEXT_ID)) + len(bpf.ids(bpf.MAP_NEXT_ID))
        if now == counts[0]:
            break
        time.sleep(0.1)
    return [*counts, now]


def main() -> None:
    for kind, where in (("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")):
        if not os.listdir(where):  # noqa: PTH208
            mount(kind, where)
    mount("tmpfs", "/tmp")
    for module in ("virtio_pci", "virtio_blk", "loop", "vfat", "nls_cp437", "nls_ascii",
                   "nls_utf8", "nls_iso8859-1", "brd"):  # fmt: skip
        subprocess.run(["modprobe", module], check=False, stderr=subprocess.DEVNULL)
    time.sleep(1)
    say("kernel", platform.release)
    say("chosen", chosen)
    say("left", left_behind)
    for name in FOLLOWERS:
        for disk in ("/dev/vda", "/dev/nvme1n1"):
            say(f"taken {name} {disk}", partial(taken, name, disk))
        say(f"discards {name}", partial(discards_lost, name))
    say("root", frozen_root)
    say("fire typed /dev/nvme1n1", lambda: burn("typed", "/dev/nvme1n1"))
    for name in FOLLOWERS:
        say(f"fire {name} /dev/vdd", partial(burn, name, "/dev/vdd", gentle=True))
    say("slow", lambda: burn("typed", "/dev/vdc", gentle=True))
    say("mutated", lambda: burn("typed", "/dev/vdc", events=(On.ISSUE,), gentle=True))


def say(name: str, what: Callable[[], Any]) -> None:
    began = time.monotonic()
    try:
        answer = what()
    except Exception:
        answer = traceback.format_exc()
    seconds = round(time.monotonic() - began, 1)
    print("\nREHOST " + json.dumps({name: answer, f"seconds {name}": seconds}), flush=True)


if __name__ == "__main__":
    try:
        main()
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    os.sync()
    time.sleep(0.5)
    _libc.reboot(0x4321FEDC)  # power off
