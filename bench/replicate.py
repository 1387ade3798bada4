"""scripts/bench replicate: whole migrations beside what else copies disks, in turns.

All of them write to a sparse file that is new each time, through a server that was started before,
and end when what they wrote is durable. Sources are in the page cache, which the others use and
we do not.
"""

import contextlib
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

from bench.disks import CACHE, random_disk, system_disk
from rehost.contract.transfer import Certificates, agent_name, receiver_name

ROUNDS = int(os.environ.get("REHOST_BENCH_ROUNDS", "5"))
TASK = "6a1f7a3e-2f6c-4d0e-9f0c-0d8c7c1e5a01"
NBD_PORT, PORT = 18790, 18791
MIB = 1 << 20


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
            subprocess.run(["cmp", source, target], check=True)
        return run


def send(
    source: Path, place: Place, peer: dict[str, Any], **options: object
) -> tuple[float, float, dict[str, Any]]:
    """Seconds, CPU seconds, and the last progress."""
    job = {
        **peer,
        "disks": [{"id": 0, "name": "/dev/vda", "path": str(source)}],
        "options": {"courteous": False, **options},
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
        common = {"task_id": TASK, "host": place.host, "port": PORT}
        config = {
            **common,
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
            process.stdout.readline()
            peer = {**common, "tls": _as_json(authority.issue(agent_name(TASK))) if tls else None}
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
    with contextlib.ExitStack() as stack:
        for place in (LOOPBACK, stack.enter_context(shaped())):
            for name, disk in (("system", system_disk()), ("random", random_disk())):
                _beside(f"{name} disk, {place.name}", disk, place)


def _beside(what: str, disk: Path, place: Place) -> None:
    _warm(disk)
    runs: dict[str, list[Run]] = {"rehost": [], "nbdcopy": [], "qemu-img": []}
    for turn in range(ROUNDS):
        runs["rehost"].append(ours(disk, place, check="random" in what and turn == 0))
        runs["nbdcopy"].append(nbdcopy(disk, place))
        runs["qemu-img"].append(qemu_img(disk, place))
    for name, found in runs.items():
        tell(f"replicate: {what}: {name}, s", [run.seconds for run in found])
        tell(f"replicate: {what}: {name}, CPU s", [run.cpu for run in found])
    for name in ("nbdcopy", "qemu-img"):
        pairs = zip(runs[name], runs["rehost"], strict=True)
        tell(
            f"replicate: {what}: times faster than {name}",
            [a.seconds / b.seconds for a, b in pairs],
        )


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
