"""A PostgreSQL of the tests' own, on loopback, gone with them."""

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.ports import free_port

PASSWORD = "of the tests"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    port: int

    def url(self, name: str = "postgres", password: str = PASSWORD) -> str:
        return f"postgresql://rehost:{password.replace(' ', '%20')}@127.0.0.1:{self.port}/{name}"

    def new_database(self) -> str:
        name = f"t{uuid.uuid4().hex}"
        with psycopg.connect(self.url(), autocommit=True) as db:
            db.execute(f"CREATE DATABASE {name}")
        return self.url(name)


def is_here() -> bool:
    return _programs() is not None


@contextmanager
def running() -> Iterator[Server]:
    programs = _programs()
    assert programs is not None
    # It refuses to run as root.
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    folder = Path(tempfile.mkdtemp(prefix="rehost-postgresql-"))
    port = free_port()

    def run(program: str, *words: str) -> None:
        command = [str(programs / program), "-D", str(folder / "data"), *words]
        uid, gid = (user.pw_uid, user.pw_gid) if os.geteuid() == 0 else (None, None)
        subprocess.run(
            command, check=True, stdout=subprocess.DEVNULL, cwd=folder, user=uid, group=gid
        )

    try:
        (folder / "password").write_text(PASSWORD)
        for path in (folder, folder / "password"):
            os.chown(path, user.pw_uid, user.pw_gid)
        run(
            "initdb",
            *("-U", "rehost", "--pwfile", str(folder / "password"), "-A", "scram-sha-256"),
            *("-E", "UTF8", "--locale=C", "--no-sync"),
        )
        # Without fsync: these tests kill services, not this machine.
        settings = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", settings, "start")
        try:
            yield Server(port=port)
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


def _programs() -> Path | None:
    """Debian keeps them beside PATH, a folder for each version."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).parent
    return max((p.parent for p in Path("/usr/lib/postgresql").glob("*/bin/initdb")), default=None)
