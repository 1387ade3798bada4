"""scripts/bench sync: what change tracking and the cut cost a source that is at work.

Needs root, loop devices and fio. Disks are sparse files in a temporary folder, attached past the
page cache.
"""

import json
import math
import mmap
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.replicate.child import SenderChild
from tests.replicate.rig import Receiver

from rehost.stages.replicate.track import Tracking, track
from rehost.system import bpf

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
BLOCK = 64 * KIB
ROUNDS = int(os.environ.get("REHOST_BENCH_ROUNDS", "11"))
RATE = 50 * MIB  # bytes a second
WRITE = 16 * KIB
FIO = ("--rw=randwrite", "--bs=4k", "--direct=1", "--ioengine=libaio", "--iodepth=16")
WINDOW_S = 0.5
PAIRS = 4  # for each of ROUNDS


def run(*argv: object) -> str:
    return subprocess.run(
        [str(a) for a in argv], check=True, capture_output=True, text=True
    ).stdout.strip()


@contextmanager
def disk(size: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="rehost-bench-") as folder, ExitStack() as cleanup:
        image = Path(folder) / "disk"
        with image.open("wb") as file:
            file.truncate(size)
        device = run("losetup", "--find", "--show", "--direct-io=on", image)
        cleanup.callback(run, "losetup", "--detach", device)
        yield device


@contextmanager
def tracked(device: str) -> Iterator[Tracking]:
    tracking = track([device])
    try:
        yield tracking
    finally:
        tracking.close()


def overhead() -> None:
    """4 KiB random writes, direct, of 16 at a time, that go on and on: seconds with a tracker, and
    seconds without, in turns. A pair is two of each, A B B A, so that a drift cancels out."""
    ratios, plain, followed = [], [], []
    with disk(GIB) as device:
        run("dd", "if=/dev/zero", f"of={device}", "bs=1M", "count=1024", "oflag=direct")
        with random_writes(device):
            rate(device, 2 * WINDOW_S)
            for turn in range(PAIRS * ROUNDS):
                first = turn % 2 == 1
                found = [(on, window(device, on)) for on in (first, not first, not first, first)]
                figures = {on: sum(r for was, r in found if was == on) / 2 for on in (True, False)}
                plain.append(figures[False])
                followed.append(figures[True])
                ratios.append(100 * (1 - figures[True] / figures[False]))
    tell("sync: writes/s without a tracker", plain)
    tell("sync: writes/s with a tracker", followed)
    tell("sync: percent fewer writes/s with a tracker", ratios)
    low, high = middle_is_between(ratios)
    print(f"sync: their median is, with 95 %, between {low:.2g} and {high:.2g}")


def window(device: str, with_tracker: bool) -> float:
    if not with_tracker:
        return rate(device, WINDOW_S)
    with tracked(device):
        return rate(device, WINDOW_S)


def rate(device: str, seconds: float) -> float:
    """Writes a second that the disk completes, by the kernel's count."""
    count, began = writes(device), time.monotonic()
    time.sleep(seconds)
    return (writes(device) - count) / (time.monotonic() - began)


def writes(device: str) -> int:
    return int(Path(f"/sys/block/{Path(device).name}/stat").read_text().split()[4])


@contextmanager
def random_writes(device: str) -> Iterator[None]:
    argv = ["fio", "--name=w", f"--filename={device}", *FIO, "--time_based", "--runtime=86400"]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


def middle_is_between(figures: Sequence[float]) -> tuple[float, float]:
    """Where the median of what these are drawn from is, with 95 %: by order, whatever the shape."""
    ordered, n = sorted(figures), len(figures)
    rank = max(0, math.floor(n / 2 - 0.98 * math.sqrt(n)))
    return ordered[rank], ordered[n - 1 - rank]


def cost() -> None:
    """What the programs take, as the kernel counts it: a figure that other load does not hide."""
    switch = Path("/proc/sys/kernel/bpf_stats_enabled")
    before = switch.read_text()
    figures = []
    with disk(GIB) as device:
        run("dd", "if=/dev/zero", f"of={device}", "bs=1M", "count=1024", "oflag=direct")
        try:
            switch.write_text("1")
            for _ in range(3):
                known = bpf.ids(bpf.PROG_NEXT_ID)
                with tracked(device):
                    writes = 3 * iops(device, 3)
                    fresh = bpf.ids(bpf.PROG_NEXT_ID) - known
                    figures.append(sum(map(run_time, fresh)) / writes / 1000)
        finally:
            switch.write_text(before)
    tell("sync: µs in the tracker's programs for each write, the disk below included", figures)


def run_time(program: int) -> int:
    """Nanoseconds that a program has run."""
    fd = bpf.by_id(program)
    try:
        return bpf.run_time(fd)
    finally:
        os.close(fd)


def iops(device: str, seconds: int) -> float:
    said = run("fio", "--name=w", f"--filename={device}", *FIO, "--time_based",
               f"--runtime={seconds}", "--output-format=json")  # fmt: skip
    return float(json.loads(said)["jobs"][0]["write"]["iops"])


def amplification() -> None:
    """Bytes that a pass reads, beside the 64 KiB blocks that were written since the last."""
    ratios, looks = [], []
    with disk(8 * GIB) as device, tracked(device) as tracking:
        fd = os.open(device, os.O_WRONLY | os.O_DIRECT)
        memory = mmap.mmap(-1, 4 * KIB)
        for turn in range(ROUNDS):
            chance = random.Random(turn)
            places = [chance.randrange(8 * GIB // 4096) * 4096 for _ in range(2000)]
            for at in places:
                os.pwritev(fd, [memory], at)
            began = time.perf_counter()
            taken = tracking.take(device) or ()
            looks.append(1000 * (time.perf_counter() - began))
            touched = len({at // BLOCK for at in places}) * BLOCK
            ratios.append(sum(r.length for r in taken) / touched)
        os.close(fd)
    tell("sync: bytes read / bytes of 64 KiB blocks written", ratios)
    tell("sync: ms to take the changes of 8 GiB", looks)


def memory() -> None:
    """Kernel memory of the tracker of a disk of 1 TiB, as the kernel counts it."""
    with disk(1 << 40) as device:
        before = maps()
        with tracked(device) as tracking:
            print(f"sync: MB of kernel memory for 1 TiB: {(maps() - before) / 1e6:.1f}")
            looks = []
            for _ in range(ROUNDS):
                began = time.perf_counter()
                tracking.take(device)
                looks.append(1000 * (time.perf_counter() - began))
    tell("sync: ms to take the changes of 1 TiB", looks)


def maps() -> int:
    """Bytes of the maps that this process holds."""
    found = {}
    for entry in Path("/proc/self/fdinfo").iterdir():
        try:
            fields = dict(line.split(":\t") for line in entry.read_text().splitlines())
        except (OSError, ValueError):
            continue
        if "map_id" in fields:
            found[fields["map_id"]] = int(fields["memlock"])
    return sum(found.values())


def stall() -> None:
    """What a writer of 50 MB/s sees while its disk is kept in step and a point is taken: its
    slowest write from the order until the copy holds the point, by the agent's own sender."""
    points: list[tuple[float, float]] = []  # when it was ordered, and when it was held
    freezes = []
    with disk(2 * GIB) as device, ExitStack() as cleanup:
        run("mkfs.ext4", "-q", device)
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="rehost-bench-")))
        mounted = folder / "mounted"
        mounted.mkdir()
        run("mount", device, mounted)
        cleanup.callback(run, "umount", mounted)
        with (
            Receiver(folder / "receiver", folder / "target", 2 * GIB) as receiver,
            writing(str(mounted)) as log,
            SenderChild(receiver, device, syncing=True) as child,
        ):
            child.wait_for(lambda said: said.get("phase") == "syncing", limit_s=300)
            for number in range(1, 3 * ROUNDS + 1):
                time.sleep(2)
                began = time.monotonic()
                freezes.append(1000 * take(child, number))
                points.append((began, time.monotonic()))
                child.tell({"taken": number})
    took = log()
    stalls = [slowest(took, *point) for point in points]
    tell("sync: ms of the freeze", freezes)
    tell("sync: ms of the slowest write around the freeze", stalls)
    print(f"sync: their p99: {statistics.quantiles(stalls, n=100, method='inclusive')[98]:.0f} ms")
    before = [slowest(took, began - 1, began) for began, _ in points]
    tell("sync: ms of the slowest write in the second before", before)


def take(child: SenderChild, number: int) -> float:
    """Seconds that the filesystem was frozen for a consistent point."""
    child.tell({"point": number})
    child.wait_for(lambda said: said.get("point", {}).get("number") == number)
    return float(child.said["point"]["duration_s"])


def slowest(took: Sequence[tuple[float, float]], began: float, ended: float) -> float:
    """ms of the slowest write that went on at some time between."""
    return 1000 * max(s for at, s in took if at + s > began and at < ended)


WRITER = f"""
import mmap, os, random, sys, time
fd = os.open(sys.argv[1] + "/file", os.O_RDWR | os.O_CREAT | os.O_DIRECT)
size = {GIB}
memory = mmap.mmap(-1, {WRITE})
memory[:] = os.urandom({WRITE})
if os.fstat(fd).st_size < size:  # as a database's file is: written before
    whole = mmap.mmap(-1, {MIB})
    for at in range(0, size, {MIB}):
        os.pwritev(fd, [whole], at)
print("ready", flush=True)
took, due = [], time.monotonic()
while os.path.exists(sys.argv[2]):
    began = time.monotonic()
    os.pwritev(fd, [memory], random.randrange(size // {WRITE}) * {WRITE})
    took.append((began, time.monotonic() - began))
    due = max(due + {WRITE / RATE}, began - 0.05)
    time.sleep(max(0, due - time.monotonic()))
print("\\n".join(f"{{a}} {{b}}" for a, b in took))
"""


@contextmanager
def writing(folder: str) -> Iterator["Log"]:
    """A process that writes; afterwards, what its writes took."""
    with tempfile.NamedTemporaryFile() as stays:
        argv = [sys.executable, "-c", WRITER, folder, stays.name]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
            if not process.stdout or process.stdout.readline() != "ready\n":
                raise RuntimeError("the writer did not start")
            log = Log()
            try:
                yield log
            finally:
                stays.close()
                log.lines = process.stdout.read().splitlines()


class Log:
    """When each write began, and how many seconds it took."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self) -> list[tuple[float, float]]:
        return [(float(a), float(b)) for a, b in map(str.split, self.lines)]


def tell(what: str, figures: Sequence[float]) -> None:
    low, middle, high = min(figures), statistics.median(figures), max(figures)
    print(
        f"{what}: median {middle:.4g} (min {low:.4g}, max {high:.4g}, n {len(figures)})", flush=True
    )


def main() -> None:
    if shutil.which("fio") is None:
        sys.exit("fio, which writes, is missing: apt-get install fio")
    for part in (memory, amplification, stall, cost, overhead):
        part()
