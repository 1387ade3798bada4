"""scripts/bench: what the service can do, as ratios of figures of one run."""

import argparse
import asyncio
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import sqlalchemy as sa

from bench import fleet, load, passes, replicate, server, sync
from bench.stock import Stock, fill
from rehost.control.store.database import Database
from rehost.control.store.schema import heartbeats, sources

PORT = 18780
MANY = 18781  # the port of the larger of two stocks
ROUNDS = 9
SECONDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("what", nargs="*", choices=[[], *SCENARIOS], help="all without one")
    chosen = parser.parse_args().what or list(SCENARIOS)
    for name in chosen:
        for program, package in NEEDED.get(name, WRK).items():
            if shutil.which(program) is None:
                parser.error(f"{program} is missing: apt-get install {package}")
    for name in chosen:
        SCENARIOS[name]()


def show() -> None:
    """ShowServer beside constant bytes from the same server, 32 connections, one worker."""
    with stocked(100) as stock, serving(stock):
        source = f"{url()}/v3/sources/{stock.source_ids[0]}"
        pairs = []
        for _ in range(ROUNDS):
            floor = load.rate(f"{url()}/constant", stock.token, seconds=SECONDS)
            pairs.append((load.rate(source, stock.token, seconds=SECONDS), floor))
    tell("show: requests/s of ShowServer", [a.per_second for a, _ in pairs])
    tell("show: requests/s of constant bytes", [b.per_second for _, b in pairs])
    tell("show: ratio", [a.per_second / b.per_second for a, b in pairs])
    tell("show: p99 / p50", [a.p99 / a.p50 for a, _ in pairs])
    tell("show: p99 / p50 of constant bytes", [b.p99 / b.p50 for _, b in pairs])


def scale() -> None:
    """100,000 sources beside 100 (ShowServer) and 1,000 (ListServers), in turns."""
    with stocked(100_000) as many, serving(many, MANY):
        with stocked(100) as few, serving(few):
            shows = [(shown(many, MANY, turn), shown(few, PORT, turn)) for turn in range(ROUNDS)]
        compare("scale: requests/s of ShowServer", shows)
        with stocked(1000) as some, serving(some):
            for name, offset, of_few in (("first", 0, 0), ("middle", 50_000, 500),
                                         ("last", 65_535, 800)):  # fmt: skip
                pages = [
                    (listed(many, MANY, offset), listed(some, PORT, of_few)) for _ in range(ROUNDS)
                ]
                compare(f"scale: ms of ListServers, 200 of the {name} page", pages)


def agents() -> None:
    """10,000 agents that poll every 30 s: CPU of the service, latency, lost heartbeats."""
    count, interval, rounds = 10_000, 30, 3
    with stocked(count, agents=count) as stock, serving(stock) as process:
        crowd = list(zip(stock.source_ids, stock.agent_tokens, strict=True))
        before, began = load.cpu_seconds(process), time.monotonic()
        latencies = asyncio.run(load.poll(PORT, crowd, interval_s=interval, rounds=rounds))
        used = (load.cpu_seconds(process) - before) / (time.monotonic() - began)
        time.sleep(12)  # the last heartbeats are written within 10 s
        seen, connected = counted(stock)
    print(f"agents: {len(latencies)} polls answered, {used:.1%} of one core", flush=True)
    print(f"agents: {seen} of {count} heartbeats stored, {connected} connected", flush=True)
    tell("agents: ms of a poll", [1000 * x for x in latencies])


def startup() -> None:
    """`rehost serve` on 100,000 sources: seconds from its start to the first answer."""
    for name, on_postgresql in (("SQLite", False), ("PostgreSQL", True)):
        with fleet.stocked(fleet.SOURCES, on_postgresql=on_postgresql) as stock:
            for workers in (1, 2):
                seconds, spent = fleet.starts(stock, workers=workers, rounds=5)
                what = f"startup: {name}, {workers} processes"
                tell(f"{what}, seconds", seconds)
                tell(f"{what}, seconds of CPU", spent)


def crowd() -> None:
    """100,000 sources, 10,000 polling agents, two processes on PostgreSQL."""
    interval, rounds = 30, 3
    with fleet.stocked(fleet.SOURCES, agents=fleet.AGENTS) as stock:
        with fleet.serving(stock, 2) as (process, _):
            latencies, share = fleet.poll(stock, process, interval=interval, rounds=rounds)
            time.sleep(12)  # the last heartbeats are written within 10 s
        seen, connected = counted(stock)
    print(f"crowd: {len(latencies)} polls answered, {share:.1%} of one core", flush=True)
    print(f"crowd: {seen} of {fleet.AGENTS} heartbeats, {connected} connected", flush=True)
    tell("crowd: ms of a poll", [1000 * x for x in latencies])


def tasks() -> None:
    """Creating, showing and listing tasks: beside a page of finished ones, and 100,000."""
    with fleet.stocked(fleet.SOURCES) as stock, fleet.serving(stock, 2):
        some = stock.source_ids[2:102]
        fleet.finish_many(stock, fleet.PAGE)
        few = fleet.task_times(stock, some)
        fleet.finish_many(stock, fleet.SOURCES)
        many = fleet.task_times(stock, some)
    for what, took in few.items():
        compare(f"tasks: ms of {what}", list(zip(many[what], took, strict=True)))


def discover() -> None:
    """The agent's discovery of this machine, a process each: seconds and memory."""
    runs = [load.run_agent("discover", "--json") for _ in range(ROUNDS)]
    disks = len(json.loads(runs[0].output)["disks"])
    tell(f"discover: seconds, {disks} disks", [r.seconds for r in runs])
    tell("discover: seconds of CPU", [r.cpu_seconds for r in runs])
    tell("discover: MiB at its peak", [r.peak_mib for r in runs])


def shown(stock: Stock, port: int, turn: int) -> float:
    source_id = stock.source_ids[turn * 7 % len(stock.source_ids)]
    return load.rate(f"{url(port)}/v3/sources/{source_id}", stock.token, seconds=SECONDS).per_second


def listed(stock: Stock, port: int, offset: int) -> float:
    page = f"{url(port)}/v3/sources?limit=200&offset={offset}"
    return 1000 * load.rate(page, stock.token, seconds=2, connections=1).p50


def compare(what: str, pairs: Sequence[tuple[float, float]]) -> None:
    tell(f"{what}, many", [many for many, _ in pairs])
    tell(f"{what}, few", [few for _, few in pairs])
    tell(f"{what}: ratio", [many / few for many, few in pairs])


class stocked:
    """A data folder with sources, removed at the end."""

    def __init__(self, count: int, *, agents: int = 0) -> None:
        self._count, self._agents = count, agents
        self._folder = tempfile.TemporaryDirectory(prefix="rehost-bench-")

    def __enter__(self) -> Stock:
        return fill(Path(self._folder.name) / "data", count=self._count, agents=self._agents)

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()


def serving(stock: Stock, port: int = PORT) -> "server.Serving":
    return server.Serving(stock.data, port)


def url(port: int = PORT) -> str:
    return f"http://127.0.0.1:{port}"


def counted(stock: Stock) -> tuple[int, int]:
    """Heartbeats stored, and sources shown as connected."""
    database = Database(stock.database or f"sqlite:///{stock.data / 'rehost.db'}")
    with database.read() as db:
        seen = db.execute(sa.select(sa.func.count()).select_from(heartbeats)).scalar_one()
        there = db.execute(
            sa.select(sa.func.count()).select_from(sources).where(sources.c.connected)
        ).scalar_one()
    database.close()
    return int(seen), int(there)


def tell(what: str, figures: Sequence[float]) -> None:
    low, middle, high = min(figures), statistics.median(figures), max(figures)
    print(
        f"{what}: median {middle:.4g} (min {low:.4g}, max {high:.4g}, n {len(figures)})", flush=True
    )


WRK = {"wrk": "wrk"}
NEEDED: dict[str, dict[str, str]] = {
    "discover": {},
    "passes": {"rsync": "rsync", "openssl": "openssl"},
    "sync": {"fio": "fio"},
    "replicate": {
        "nbdcopy": "libnbd-bin",
        "qemu-nbd": "qemu-utils",
        "debootstrap": "debootstrap",
        "tc": "iproute2",
    },
}
SCENARIOS: dict[str, Callable[[], None]] = {
    "show": show,
    "scale": scale,
    "agents": agents,
    "discover": discover,
    "startup": startup,
    "crowd": crowd,
    "tasks": tasks,
    "replicate": replicate.replicate,
    "sync": sync.main,
    "passes": passes.main,
}

if __name__ == "__main__":
    main()
