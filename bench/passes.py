"""scripts/bench passes: to bring a copy of 8 GiB in step of which 1 % was written since.

A pass of ours, which reads what the tracker marked; one that has no tracker and compares digests of
all; and `rsync --inplace --no-whole-file` of the same image to another copy. The first two go
through a receiver of their own, with TLS, and end when all is durable there; rsync works on files
of one machine, and does not wait for the disk. Needs root, loop devices, and 25 GiB of space.
"""

import contextlib
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.disks import CACHE
from bench.replicate import LOOPBACK, receiving
from rehost.contract.transfer import Certificates
from rehost.model.ranges import Range
from rehost.model.task import Priority
from rehost.stages.replicate.link import Peer
from rehost.stages.replicate.sender import Options, Sender
from rehost.stages.replicate.source import Source
from rehost.stages.replicate.sync import Follow, Sync
from rehost.stages.replicate.track import track
from rehost.storage.used.disk import used_ranges

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
SIZE = int(os.environ.get("REHOST_BENCH_SYNC_GIB", "8")) * GIB
ROUNDS = int(os.environ.get("REHOST_BENCH_ROUNDS", "5"))
SHARE = 0.01
# How what was written lies: blocks of the tracker, long stretches, and as badly as can be.
KINDS = {"64 KiB": 64 * KIB, "1 MiB": MIB, "4 KiB": 4 * KIB}


@dataclass
class Copies:
    """A disk that is tracked, a copy behind a receiver, and one for rsync. All three are equal
    whenever `times` is called."""

    device: str
    image: Path
    target: Path
    beside: Path
    ours: Sync
    comparing: Sync

    def times(self, unit: int, turn: int) -> dict[str, float]:
        """Seconds of each, after 1 % was written in pieces of so many bytes."""
        places = _places(unit, turn)
        _overwrite(self.device, places, unit, seed=turn)
        steps: dict[str, Callable[[], object]] = {"pass": self.ours.one_pass, "rsync": self._rsync}
        took = {name: _seconds(steps[name]) for name in _order(list(steps), turn)}
        # As if as much had been written that nobody has seen: on the target, so that the disk
        # itself stays what the other copy is.
        _overwrite(str(self.target), places, unit, seed=~turn)
        return took | {"comparing": _seconds(self.comparing.one_pass)}

    def _rsync(self) -> None:
        words = ["rsync", "--inplace", "--no-whole-file", "--ignore-times"]
        subprocess.run([*words, self.image, self.beside], check=True)

    def expect_equal(self) -> None:
        for copy in (self.target, self.beside):
            subprocess.run(["cmp", self.image, copy], check=True)


def main() -> None:
    if shutil.which("rsync") is None:
        sys.exit("rsync, to compare with, is missing: apt-get install rsync")
    with copies() as made:
        for kind, unit in KINDS.items():
            found = [made.times(unit, turn) for turn in range(ROUNDS)]
            what = f"passes: 1 % of {SIZE // GIB} GiB in pieces of {kind}"
            for name in ("pass", "comparing", "rsync"):
                tell(f"{what}: {name}, s", [one[name] for one in found])
            for name in ("rsync", "comparing"):
                tell(f"{what}: times as fast as {name}", [one[name] / one["pass"] for one in found])
        made.expect_equal()


@contextlib.contextmanager
def copies() -> Iterator[Copies]:
    CACHE.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(dir=CACHE)))
        image, target, beside = (folder / name for name in ("disk", "target", "beside"))
        _make(image)
        for copy in (target, beside):
            subprocess.run(["cp", "--reflink=never", image, copy], check=True)
        subprocess.run(["sync"], check=True)
        argv = ["losetup", "--find", "--show", "--direct-io=on", str(image)]
        device = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()
        cleanup.callback(subprocess.run, ["losetup", "--detach", device], check=True)
        tracking = track([device])
        cleanup.callback(tracking.close)
        sender, source = _sender(device, target, cleanup)
        yield Copies(
            device=device,
            image=image,
            target=target,
            beside=beside,
            ours=_sync(sender, source, lambda: tracking.take(device)),
            comparing=_sync(sender, source, lambda: None),
        )


def _sender(device: str, target: Path, cleanup: contextlib.ExitStack) -> tuple[Sender, Source]:
    told, _ = cleanup.enter_context(receiving(target, LOOPBACK, tls=True))
    peer = Peer(
        task_id=told["task_id"],
        host=told["host"],
        port=told["port"],
        tls=Certificates(**told["tls"]),
    )
    source = Source(0, device, Path(device))
    cleanup.callback(source.close)
    options = Options(priority=Priority.HIGH)
    sender = cleanup.enter_context(Sender(peer, [source], options=options))
    sender.connect()
    return sender, source


def _sync(sender: Sender, source: Source, follow: Follow) -> Sync:
    def used(path: Path) -> Sequence[Range]:
        return tuple(used_ranges(str(path)))

    return Sync(sender, {0: source}, {0: follow}, used)


def _make(image: Path) -> None:
    """Random, so that nothing packs it, and no part is like another."""
    key = ["-K", "00" * 16, "-iv", "00" * 16]
    with image.open("wb") as file, Path("/dev/zero").open("rb") as zeros:
        cipher = subprocess.Popen(
            ["openssl", "enc", "-aes-128-ctr", *key], stdin=zeros, stdout=subprocess.PIPE
        )
        assert cipher.stdout
        for _ in range(SIZE // MIB):
            file.write(cipher.stdout.read(MIB))
        cipher.kill()
        cipher.stdout.close()
        cipher.wait()


def _places(unit: int, turn: int) -> list[int]:
    return random.Random(turn).sample(range(SIZE // unit), int(SIZE * SHARE) // unit)


def _overwrite(path: str, places: Sequence[int], unit: int, *, seed: int) -> None:
    draw = random.Random(seed)
    fd = os.open(path, os.O_WRONLY)
    try:
        for place in places:
            os.pwrite(fd, draw.randbytes(unit), place * unit)
        os.fsync(fd)
    finally:
        os.close(fd)


def _order(names: list[str], turn: int) -> list[str]:
    return names if turn % 2 else names[::-1]


def _seconds(step: Callable[[], object]) -> float:
    began = time.monotonic()
    step()
    return time.monotonic() - began


def tell(what: str, figures: Sequence[float]) -> None:
    low, middle, high = min(figures), statistics.median(figures), max(figures)
    print(
        f"{what}: median {middle:.3g} (min {low:.3g}, max {high:.3g}, n {len(figures)})", flush=True
    )
