"""Many sources on PostgreSQL: starting, polling agents, tasks beside many finished ones."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from tests import postgresql

from bench import load
from bench.stock import Stock, batches, fill
from rehost.control.store.database import Database
from rehost.control.store.schema import tasks

PORT = 18782
SOURCES = 100_000
AGENTS = 10_000
PAGE = 50  # tasks that a list has if it is not told otherwise


@contextlib.contextmanager
def stocked(count: int, *, agents: int = 0, on_postgresql: bool = True) -> Iterator[Stock]:
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="rehost-bench-"))
        url = ""
        if on_postgresql:
            url = stack.enter_context(postgresql.running()).new_database()
        yield fill(Path(folder) / "data", count=count, agents=agents, database=url)


@contextlib.contextmanager
def serving(stock: Stock, workers: int) -> Iterator[tuple[int, float]]:
    """`rehost serve` itself; its process id, and the seconds from its start to an answer."""
    words = ["-m", "rehost", "serve", "--data", str(stock.data), "--port", str(PORT)]
    environment = os.environ | ({"REHOST_DATABASE": stock.database} if stock.database else {})
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, *words, "--workers", str(workers)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while True:
            with contextlib.suppress(OSError):
                call(stock, "GET", f"/v3/sources/{stock.source_ids[0]}")
                break
            if process.poll() is not None or time.monotonic() - began > 60:
                raise RuntimeError("the service did not start")
            time.sleep(0.005)
        yield process.pid, time.monotonic() - began
    finally:
        process.terminate()
        process.wait(60)


def call(stock: Stock, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
    data = None if body is None else json.dumps(body).encode()
    headers = {"X-Auth-Token": stock.token, "Content-Type": "application/json"}
    url = f"http://127.0.0.1:{PORT}{path}"
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def starts(stock: Stock, *, workers: int, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds to the first answer, and of processor until then, of each start."""
    seconds, spent = [], []
    for _ in range(rounds):
        with serving(stock, workers) as (process, took):
            seconds.append(took)
            spent.append(load.cpu_seconds(process))
    return seconds, spent


def poll(stock: Stock, process: int, *, interval: int, rounds: int) -> tuple[list[float], float]:
    """Latencies of all agents' polls, and the share of one core that the service took."""
    crowd = list(zip(stock.source_ids, stock.agent_tokens, strict=False))
    before, began = load.cpu_seconds(process), time.monotonic()
    latencies = asyncio.run(load.poll(PORT, crowd, interval_s=interval, rounds=rounds))
    return latencies, (load.cpu_seconds(process) - before) / (time.monotonic() - began)


def task_body(source_id: str) -> dict[str, Any]:
    return {
        "name": "bench",
        "type": "MIGRATE_BLOCK",
        "source_server": {"id": source_id},
        "target_server": {"name": "t", "vm_id": ""},
        **dict.fromkeys(("region_name", "region_id", "project_name", "project_id"), "local"),
    }


def task_times(stock: Stock, source_ids: tuple[str, ...]) -> dict[str, list[float]]:
    """Milliseconds of creating, showing and listing a task, and of deleting it again."""
    took: dict[str, list[float]] = {"create": [], "show": [], "list": [], "delete": []}

    def timed(what: str, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401
        began = time.perf_counter()
        answer = call(stock, method, path, body)
        took[what].append(1000 * (time.perf_counter() - began))
        return answer

    for source_id in source_ids:
        made = timed("create", "POST", "/v3/tasks", task_body(source_id))["id"]
        timed("show", "GET", f"/v3/tasks/{made}")
        timed("list", "GET", "/v3/tasks?limit=50")
        timed("delete", "DELETE", f"/v3/tasks/{made}")
    return took


def finish_many(stock: Stock, count: int) -> None:
    """Copies of one task, finished long ago, one for each of the sources from the second on."""
    made = call(stock, "POST", "/v3/tasks", task_body(stock.source_ids[1]))["id"]
    database = Database(stock.database or f"sqlite:///{stock.data / 'rehost.db'}")
    with database.write() as db:
        row = dict(db.execute(sa.select(tasks).where(tasks.c.id == made)).mappings().one())
        finished = row | {"state": "MIGRATE_SUCCESS", "active": False, "current": False}
        for batch in batches(range(count), 5000):
            rows = [
                finished | {"id": str(uuid.uuid4()), "source_id": stock.source_ids[n % SOURCES]}
                for n in batch
            ]
            for one in rows:
                one.pop("number", None)
            db.execute(sa.insert(tasks), rows)
        if stock.database:
            db.execute(sa.text("ANALYZE"))
    database.close()
    call(stock, "DELETE", f"/v3/tasks/{made}")
