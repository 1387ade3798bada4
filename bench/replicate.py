"""scripts/bench replicate: whole migrations beside what else copies disks, in turns.

All of them write to a sparse file that is new each time, through a server that was started before,
and end when what they wrote is durable; another one is the first in each round, and the disk is let
come to rest before each. Sources are in the page cache, which the others use and
we do not.
"""

import compileall
import contextlib
import functools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.replicate.certificates import Authority

import rehost
from bench.disks import CACHE, random_disk, system_disk
from rehost.contract.transfer import Certificates, agent_name, receiver_name
from rehost.model.task import Priority
from rehost.storage.used.disk import used_ranges

ROUNDS = int(os.environ.get("REHOST_BENCH_ROUNDS", "5"))
TASK = "6a1f7a3e-2f6c-4d0e-9f0c-0d8c7c1e5a01"
NBD_PORT = 18790
MIB = 1 << 20
SETTLE_S = 1.0


@dataclass(frozen=True)
class Run:
    """`cpu` is of both ends, in seconds."""

    seconds: float
    cpu: float
    sent: int = 0


@dataclass(frozen=True)
class Place:
    """Where the two ends are: prefixes of commands, and the target's address."""

    name: str
    near: tuple[str, ...]
    far: tuple[str, ...]
    host: str


LOOPBACK = Place("loopback", (), (), "127.0.0.1")


@contextmanager
def shaped() -> Iterator[Place]:
    """Two network namespaces with a link of 1 Gbit/s between them."""
    near, far = "rehost-bench-a", "rehost-bench-b"

    def ip(*argv: str) -> None:
        subprocess.run(["ip", *argv], check=True)

    with contextlib.ExitStack() as cleanup:
        for name in (near, far):
            ip("netns", "add", name)
            cleanup.callback(ip, "netns", "del", name)
        ip("link", "add", "rba", "netns", near, "type", "veth", "peer", "rbb", "netns", far)
        for name, device, address in ((near, "rba", "10.99.0.1"), (far, "rbb", "10.99.0.2")):
            ip("-n", name, "addr", "add", f"{address}/24", "dev", device)
            ip("-n", name, "link", "set", device, "up")
            ip("-n", name, "link", "set", "lo", "up")
            subprocess.run(
                ["ip", "netns", "exec", name, "tc", "qdisc", "add", "dev", device, "root",
                 "tbf", "rate", "1gbit", "burst", "128kb", "latency", "10ms"],
                check=True,
            )  # fmt: skip
        yield Place(
            "1 Gbit/s",
            ("ip", "netns", "exec", near),
            ("ip", "netns", "exec", far),
            "10.99.0.2",
        )


def ours(
    source: Path, place: Place, *, tls: bool = True, compress: bool = True, check: bool = False
) -> Run:
    with new_target(source) as target, receiving(target, place, tls=tls) as (peer, process):
        before = _cpu(process.pid)
        seconds, own, said = send(source, place, peer, compress=compress)
        run = Run(seconds, own + _cpu(process.pid) - before, said["disks"][0]["sent"])
        if check:
            # Free space need not be the same: the file systems are, and that is what is sent.
            _compare(source, target)
        return run


def send(
    source: Path, place: Place, peer: dict[str, Any], **options: object
) -> tuple[float, float, dict[str, Any]]:
    """Seconds, CPU seconds, and the last progress."""
    job = {
        **peer,
        "disks": [{"id": 0, "name": "/dev/vda", "path": str(source)}],
        "options": {"priority": Priority.HIGH, **options},
    }
    argv = [*place.near, sys.executable, "-m", "rehost.agent.sender"]
    began, before = time.monotonic(), _children()
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        lines = [json.loads(line) for line in process.stdout]
    seconds = time.monotonic() - began
    assert "result" in lines[-1], lines[-1]
    progress = [line["progress"] for line in lines if "progress" in line][-1]
    return seconds, _children() - before, progress


@contextmanager
def receiving(
    target: Path, place: Place, *, tls: bool
) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    authority = Authority()
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        common = {"task_id": TASK, "host": place.host}
        config = {
            **common,
            "port": 0,
            "folder": folder,
            "disks": [{"id": 0, "name": "/dev/vda", "size": target.stat().st_size,
                       "path": str(target)}],
            "tls": _as_json(authority.issue(receiver_name(TASK))) if tls else None,
        }  # fmt: skip
        file = Path(folder) / "config.json"
        file.write_text(json.dumps(config))
        argv = [*place.far, sys.executable, "-m", "rehost.receiver", str(file)]
        with (Path(folder) / "log").open("w") as log:
            process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log, text=True)
        assert process.stdout
        try:
            port = json.loads(process.stdout.readline())["port"]
            own = _as_json(authority.issue(agent_name(TASK))) if tls else None
            peer = {**common, "port": port, "tls": own}
            yield peer, process
        finally:
            process.terminate()
            process.wait(30)
            process.stdout.close()


def nbdcopy(source: Path, place: Place, *, connections: int = 1) -> Run:
    """qemu-nbd takes one connection unless it is told otherwise."""
    command = ["nbdcopy", "--flush", str(source)]
    return _to_nbd(source, place, lambda url: [*command, url], connections=connections)


def qemu_img(source: Path, place: Place) -> Run:
    return _to_nbd(
        source,
        place,
        lambda url: ["qemu-img", "convert", "-n", "-W", "-m", "8", "-f", "raw", "-O", "raw",
                     str(source), url],
    )  # fmt: skip


def _to_nbd(
    source: Path, place: Place, command: Callable[[str], list[str]], *, connections: int = 1
) -> Run:
    with new_target(source) as target:
        server = subprocess.Popen(
            [*place.far, "qemu-nbd", "-f", "raw", "--discard=unmap", "-t",
             "-e", str(connections), "-b", place.host, "-p", str(NBD_PORT), str(target)],
        )  # fmt: skip
        try:
            time.sleep(0.5)
            url = f"nbd://{place.host}:{NBD_PORT}"
            before, cpu, began = _children(), _cpu(server.pid), time.monotonic()
            subprocess.run([*place.near, *command(url)], check=True)
            seconds = time.monotonic() - began
            return Run(seconds, _children() - before + _cpu(server.pid) - cpu)
        finally:
            server.terminate()
            server.wait(30)


@contextmanager
def new_target(source: Path) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile(dir=CACHE, prefix="target-") as file:
        file.truncate(source.stat().st_size)
        yield Path(file.name)


def replicate() -> None:
    """Disks to another place: beside nbdcopy and qemu-img, over loopback and over 1 Gbit/s."""
    # As pip leaves what it installs: this environment may not keep what it compiles.
    compileall.compile_dir(str(Path(rehost.__file__).parent), quiet=1)
    system, random = system_disk(), random_disk()
    beside("system disk, loopback", system, LOOPBACK)
    pairs = beside("random disk, loopback", random, LOOPBACK)
    tell(
        "replicate: random disk, loopback: share of what the disk does",
        [random.stat().st_size / run.seconds / slower for run, slower in pairs],
    )
    with shaped() as place:
        beside("system disk, 1 Gbit/s", system, place)
    costs(system)
    resume(system)


def beside(what: str, disk: Path, place: Place) -> list[tuple[Run, float]]:
    """Without TLS on loopback, as the service does it there. Each of our runs, with the slower of
    reading and writing the same disk past the cache just then."""
    _warm(disk)
    # The first round, which is not measured, shows that what arrives is what was sent.
    ours(disk, place, tls=bool(place.near), check=True)
    contestants: dict[str, Callable[[], Run]] = {
        "rehost": lambda: ours(disk, place, tls=bool(place.near)),
        **{name: functools.partial(peer, disk, place) for name, peer in PEERS.items()},
    }
    runs: dict[str, list[Run]] = {name: [] for name in contestants}
    ceilings = []
    for turn in range(ROUNDS):
        for name in _rotated(list(contestants), turn):
            _settle()
            runs[name].append(contestants[name]())
        ceilings.append(ceiling() if "random" in what else 0.0)
    for name, found in runs.items():
        tell(f"replicate: {what}: {name}, s", [run.seconds for run in found])
    for name in PEERS:
        pairs = zip(runs[name], runs["rehost"], strict=True)
        ratios = [peer.seconds / own.seconds for peer, own in pairs]
        tell(f"replicate: {what}: times as fast as {name}", ratios)
    return list(zip(runs["rehost"], ceilings, strict=True))


def _rotated(names: list[str], turn: int) -> list[str]:
    """Nobody always comes after the same other."""
    at = turn % len(names)
    return names[at:] + names[:at]


def _settle() -> None:
    """What the one before left to be written, or to be freed, is not the next one's."""
    os.sync()
    time.sleep(SETTLE_S)


def ceiling() -> float:
    """Bytes per second: the slower of reading and writing past the page cache, in 4 MiB."""
    disk, rates = random_disk(), []
    with new_target(disk) as target:
        for words in (
            [f"if={disk}", "of=/dev/null", "iflag=direct"],
            [f"if={disk}", f"of={target}", "oflag=direct", "conv=notrunc,fdatasync"],
        ):
            _settle()
            began = time.monotonic()
            subprocess.run(["dd", *words, "bs=4M", "status=none"], check=True)
            rates.append(disk.stat().st_size / (time.monotonic() - began))
    return min(rates)


def costs(disk: Path) -> None:
    """CPU seconds of both ends for a GB that was sent, with all and without."""
    kinds: dict[str, Callable[[Place], Run]] = {
        "neither TLS nor zstd": lambda place: ours(disk, place, tls=False, compress=False),
        "TLS": lambda place: ours(disk, place, compress=False),
        "nbdcopy": lambda place: nbdcopy(disk, place),
        "qemu-img": lambda place: qemu_img(disk, place),
    }
    size = ours(disk, LOOPBACK).sent / 1e9
    with shaped() as link:
        for name, run in kinds.items():
            found = [run(LOOPBACK).cpu / size for _ in range(ROUNDS)]
            tell(f"replicate: CPU s per GB, loopback: {name}", found)
        found = [ours(disk, link).cpu / size for _ in range(ROUNDS)]
        tell("replicate: CPU s per GB, 1 Gbit/s: TLS and zstd", found)


def resume(disk: Path) -> None:
    """What is sent after the sender was killed when it had sent 90 % of what there is to send."""
    shares, whole = [], ours(disk, LOOPBACK).sent
    for _ in range(ROUNDS):
        with new_target(disk) as target, receiving(target, LOOPBACK, tls=True) as (peer, _process):
            _kill_at(0.9 * whole, disk, peer)
            _, _, said = send(disk, LOOPBACK, peer)
            shares.append(said["disks"][0]["sent"] / whole)
            _compare(disk, target)
    tell("replicate: sent after a cut at 90 %, share of all", shares)


def _kill_at(sent: float, disk: Path, peer: dict[str, Any]) -> None:
    job = {**peer, "disks": [{"id": 0, "name": "/dev/vda", "path": str(disk)}],
           "options": {"priority": Priority.HIGH}, "limit": 150e6}  # fmt: skip
    argv = [sys.executable, "-m", "rehost.agent.sender"]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        for line in process.stdout:
            for progress in json.loads(line).get("progress", {}).get("disks", []):
                if progress["sent"] >= sent:
                    process.kill()
                    return
    raise RuntimeError("it was over before it could be cut")


PEERS: dict[str, Callable[[Path, Place], Run]] = {
    "nbdcopy": nbdcopy,
    "nbdcopy, 8 connections": lambda disk, place: nbdcopy(disk, place, connections=8),
    "qemu-img": qemu_img,
}


def _compare(source: Path, target: Path) -> None:
    for item in used_ranges(str(source)):
        words = [f"--ignore-initial={item.offset}", f"--bytes={item.length}"]
        subprocess.run(["cmp", *words, source, target], check=True)


def _warm(path: Path) -> None:
    with path.open("rb") as file:
        while file.read(MIB):
            pass


def _as_json(own: Certificates) -> dict[str, str]:
    return {"ca": own.ca, "certificate": own.certificate, "private_key": own.private_key}


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tell(what: str, figures: list[float]) -> None:
    low, middle, high = min(figures), statistics.median(figures), max(figures)
    print(
        f"{what}: median {middle:.3g} (min {low:.3g}, max {high:.3g}, n {len(figures)})", flush=True
    )
