"""scripts/bench: what the service can do, as ratios of figures of one run."""

import argparse
import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import sqlalchemy as sa

from bench import load, server
from bench.stock import Stock, fill
from rehost.control.store.database import Database
from rehost.control.store.schema import heartbeats, sources

PORT = 18780
ROUNDS = 9
SECONDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("what", nargs="*", choices=[[], *SCENARIOS], help="all without one")
    chosen = parser.parse_args().what or list(SCENARIOS)
    if shutil.which("wrk") is None:
        parser.error("wrk, which makes the load, is missing: apt-get install wrk")
    for name in chosen:
        SCENARIOS[name]()


def show() -> None:
    """ShowServer beside constant bytes from the same server, 32 connections, one worker."""
    with stocked(100) as stock, serving(stock):
        shown = f"{url()}/v3/sources/{stock.source_ids[0]}"
        pairs = []
        for _ in range(ROUNDS):
            floor = load.rate(f"{url()}/constant", stock.token, seconds=SECONDS)
            pairs.append((load.rate(shown, stock.token, seconds=SECONDS), floor))
    tell("show: requests/s of ShowServer", [a.per_second for a, _ in pairs])
    tell("show: requests/s of constant bytes", [b.per_second for _, b in pairs])
    tell("show: ratio", [a.per_second / b.per_second for a, b in pairs])
    tell("show: p99 / p50", [a.p99 / a.p50 for a, _ in pairs])
    tell("show: p99 / p50 of constant bytes", [b.p99 / b.p50 for _, b in pairs])


def scale() -> None:
    """ShowServer and ListServers with 100 or 1,000 and with 100,000 sources."""
    few = measured(100)
    some = measured(1000)
    many = measured(100_000)
    tell("scale: requests/s of ShowServer with 100 sources", few.shows)
    tell("scale: requests/s of ShowServer with 100,000", many.shows)
    tell("scale: ratio", [b / a for a, b in zip(few.shows, many.shows, strict=True)])
    for name in some.pages:
        tell(f"scale: ms of ListServers, {name} page of 1,000", some.pages[name])
        tell(f"scale: ms of ListServers, {name} page of 100,000", many.pages[name])
        ratios = [b / a for a, b in zip(some.pages[name], many.pages[name], strict=True)]
        tell(f"scale: ratio, {name} page", ratios)


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


class Measured:
    """Figures of one stock, taken together."""

    def __init__(self) -> None:
        self.shows: list[float] = []
        self.pages: dict[str, list[float]] = {"first": [], "middle": [], "last": []}


def measured(count: int) -> Measured:
    figures = Measured()
    with stocked(count) as stock, serving(stock):
        offsets = {"first": 0, "middle": min(count // 2, 65535), "last": min(count - 200, 65535)}
        for turn in range(ROUNDS):
            source_id = stock.source_ids[turn * 7 % count]
            shown = f"{url()}/v3/sources/{source_id}"
            figures.shows.append(load.rate(shown, stock.token, seconds=SECONDS).per_second)
            for name, offset in offsets.items():
                page = f"{url()}/v3/sources?limit=200&offset={max(offset, 0)}"
                found = load.rate(page, stock.token, seconds=2, connections=1)
                figures.pages[name].append(1000 * found.p50)
    return figures


class stocked:
    """A data folder with sources, removed at the end."""

    def __init__(self, count: int, *, agents: int = 0) -> None:
        self._count, self._agents = count, agents
        self._folder = tempfile.TemporaryDirectory(prefix="rehost-bench-")

    def __enter__(self) -> Stock:
        return fill(Path(self._folder.name) / "data", count=self._count, agents=self._agents)

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()


def serving(stock: Stock) -> "server.Serving":
    return server.Serving(stock.data, PORT)


def url() -> str:
    return f"http://127.0.0.1:{PORT}"


def counted(stock: Stock) -> tuple[int, int]:
    """Heartbeats stored, and sources shown as connected."""
    database = Database(f"sqlite:///{stock.data / 'rehost.db'}")
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


SCENARIOS: dict[str, Callable[[], None]] = {"show": show, "scale": scale, "agents": agents}

if __name__ == "__main__":
    main()
