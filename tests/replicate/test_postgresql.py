"""A database under load, cut at any moment: its copy has all that was acknowledged before."""

import random
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests import postgresql
from tests.postgresql import Server
from tests.replicate.child import SenderChild
from tests.replicate.rig import MIB, Receiver

pytestmark = pytest.mark.needs("root", "loop", "ext4", "bpf", "postgresql")
SIZE = 900 * MIB
LIMIT = 60e6  # bytes per second: the first pass is to take a while
SETTINGS = "-c max_wal_size=192MB -c shared_buffers=32MB -c checkpoint_timeout=30s"
CLIENTS = 2
SUMS = """
    SELECT (SELECT sum(abalance) FROM pgbench_accounts),
           (SELECT sum(bbalance) FROM pgbench_branches),
           (SELECT sum(tbalance) FROM pgbench_tellers), (SELECT sum(delta) FROM pgbench_history)
"""
BROKEN_TABLES = """
    SELECT relname, found.* FROM pg_class, LATERAL verify_heapam(pg_class.oid) found
    WHERE relkind IN ('r', 't', 'm')
"""
CHECK_INDEXES = """
    SELECT bt_index_check(pg_class.oid, true) FROM pg_class JOIN pg_am ON pg_am.oid = relam
    WHERE amname = 'btree' AND relkind = 'i'
"""


def run(*words: object) -> str:
    done = subprocess.run(list(map(str, words)), check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


@contextmanager
def mounted(*what: object) -> Iterator[Path]:
    """Where PostgreSQL's user gets to, too."""
    folder = Path(tempfile.mkdtemp(prefix="rehost-database-"))
    folder.chmod(0o755)
    try:
        run("mount", *what, folder)
        try:
            yield folder
        finally:
            run("umount", folder)
    finally:
        folder.rmdir()


@contextmanager
def disk(image: Path) -> Iterator[str]:
    with image.open("wb") as file:
        file.truncate(SIZE)
    device = run("losetup", "--find", "--show", image).strip()
    try:
        run("mkfs.ext4", "-q", device)
        yield device
    finally:
        run("losetup", "--detach", device)


class Client(threading.Thread):
    """Commits one number after the other, and notes when each was acknowledged."""

    def __init__(self, url: str, client: int) -> None:
        super().__init__()
        self._url, self._client = url, client
        self.ended = threading.Event()
        self.acknowledged: list[float] = []  # of number 0, 1, …

    def run(self) -> None:
        with psycopg.connect(self._url) as db:
            while not self.ended.is_set():
                row = (self._client, len(self.acknowledged))
                db.execute("INSERT INTO committed VALUES (%s, %s)", row)
                db.commit()
                self.acknowledged.append(time.time())


@contextmanager
def busy(server: Server) -> Iterator[list[Client]]:
    """pgbench's transactions, and the clients' own."""
    url = server.url("bench")
    clients = [Client(url, number) for number in range(CLIENTS)]
    load = [postgresql.program("pgbench"), "-n", "-c", "4", "-j", "2", "-T", "3600", url]
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(load, **quiet) as pgbench:
        for client in clients:
            client.start()
        try:
            yield clients
            assert pgbench.poll() is None
            assert all(client.is_alive() for client in clients)
        finally:
            for client in clients:
                client.ended.set()
            for client in clients:
                client.join()
            pgbench.kill()


@pytest.fixture
def source(tmp_path: Path) -> Iterator[tuple[str, list[Client]]]:
    """The device of a database that is written, and who writes it."""
    with ExitStack() as stack:
        device = stack.enter_context(disk(tmp_path / "source.img"))
        folder = stack.enter_context(mounted(device))
        postgresql.initialize(folder)
        server = stack.enter_context(postgresql.started(folder, SETTINGS))
        with psycopg.connect(server.url(), autocommit=True) as db:
            db.execute("CREATE DATABASE bench")
        run(postgresql.program("pgbench"), "-i", "-q", "-s", "2", server.url("bench"))
        with psycopg.connect(server.url("bench")) as db:
            db.execute(
                "CREATE TABLE committed (client int, number int, PRIMARY KEY (client, number))"
            )
            db.execute("CREATE EXTENSION amcheck")
        yield device, stack.enter_context(busy(server))


def one_round(device: str, clients: list[Client], folder: Path, draw: random.Random) -> str:
    """Copy, cut, start the copy, compare; a line about it."""
    target = folder / "target.img"
    with Receiver(folder / "receiver", target, SIZE) as receiver:
        more = {"syncing": True, "verify": True, "limit": LIMIT}
        with SenderChild(receiver, device, **more) as child:
            began = time.monotonic()
            time.sleep(draw.uniform(0.1, 6))
            phase = child.said.get("phase")
            child.tell({"finish": True})
            result = child.result()
            took, standing = time.monotonic() - began, child.said["standing"]
    assert child.differed == []
    cut = result["cut"]
    assert len(cut["frozen"]) == 1
    run("e2fsck", "-fn", target)
    with ExitStack() as stack:
        copy = stack.enter_context(mounted("-o", "loop", target))
        # It names a process of this very machine, which still runs: that of the source.
        (copy / "data/postmaster.pid").unlink()
        (copy / "log").write_text("")
        server = stack.enter_context(postgresql.started(copy))
        assert "automatic recovery in progress" in (copy / "log").read_text()
        with psycopg.connect(server.url("bench")) as db:
            rows = db.execute("SELECT client, number FROM committed ORDER BY 1, 2").fetchall()
            sums = db.execute(SUMS).fetchone()
            assert db.execute(BROKEN_TABLES).fetchall() == []
            assert len(db.execute(CHECK_INDEXES).fetchall()) > 100  # or it raises
    before = expect_all_of(clients, rows, cut["moment"])
    assert sums is not None
    assert len(set(sums)) == 1, sums
    target.unlink()
    return (
        f"told to finish while {phase}: {before} acknowledged before, {len(rows)} there, "
        f"frozen for {1000 * cut['duration_s']:.0f} ms, "
        f"{1000 * standing['stall_s']:.0f} ms were expected; {standing['passes']} passes, "
        f"{standing['change_rate'] / MIB:.0f} MiB/s written, "
        f"{standing['send_rate'] / MIB:.0f} MiB/s sent, {took:.0f} s in all"
    )


def expect_all_of(clients: list[Client], rows: list[Any], moment: float) -> int:
    """What was acknowledged before `moment` is there, and nothing but the next one after."""
    count = 0
    for number, client in enumerate(clients):
        there = [row[1] for row in rows if row[0] == number]
        acknowledged = sum(at < moment for at in client.acknowledged[:])
        assert there == list(range(len(there)))
        # One may have been durable, and its client not yet have heard of it.
        assert acknowledged <= len(there) <= acknowledged + 1
        assert acknowledged > 10
        count += acknowledged
    return count


def test_the_copy_has_every_transaction_that_was_acknowledged(
    source: tuple[str, list[Client]], tmp_path: Path
):
    device, clients = source
    print(one_round(device, clients, tmp_path, random.Random()))


@pytest.mark.slow
def test_so_it_is_at_twenty_random_moments(source: tuple[str, list[Client]], tmp_path: Path):
    device, clients = source
    draw = random.Random()
    for number in range(20):
        folder = tmp_path / str(number)
        folder.mkdir()
        print(f"{number + 1}: {one_round(device, clients, folder, draw)}", flush=True)
