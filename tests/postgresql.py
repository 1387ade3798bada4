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
    return bool(_folders())


@contextmanager
def running() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="rehost-postgresql-"))
    try:
        initialize(folder)
        # Without fsync: these tests kill services, not this machine.
        with started(folder, "-c fsync=off") as server:
            yield server
    finally:
        shutil.rmtree(folder)


def initialize(folder: Path) -> None:
    """Make `folder`/data; the folder is PostgreSQL's from then on."""
    (folder / "password").write_text(PASSWORD)
    user = _user()
    for path in (folder, folder / "password"):
        os.chown(path, user.pw_uid, user.pw_gid)
    _run(
        folder,
        "initdb",
        *("-U", "rehost", "--pwfile", str(folder / "password"), "-A", "scram-sha-256"),
        *("-E", "UTF8", "--locale=C", "--no-sync"),
    )


@contextmanager
def started(folder: Path, settings: str = "") -> Iterator[Server]:
    """It recovers first, if it was not stopped. At the end it is stopped, without ado."""
    port = free_port()
    settings += f" -p {port} -k {folder} -c listen_addresses=127.0.0.1"
    _run(folder, "pg_ctl", "-w", "-l", str(folder / "log"), "-o", settings, "start")
    try:
        yield Server(port=port)
    finally:
        _run(folder, "pg_ctl", "-w", "-m", "immediate", "stop")


def program(name: str) -> str:
    found = (folder / name for folder in _folders())
    return str(next(path for path in found if path.exists()))


def _user() -> pwd.struct_passwd:
    """It refuses to run as root."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


def _run(folder: Path, name: str, *words: str) -> None:
    user = _user()
    uid, gid = (user.pw_uid, user.pw_gid) if os.geteuid() == 0 else (None, None)
    command = [program(name), "-D", str(folder / "data"), *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, user=uid, group=gid)


def _folders() -> list[Path]:
    """Where PostgreSQL's programs are: Debian has most beside PATH, in a folder per version."""
    found = shutil.which("initdb")
    debian = sorted(p.parent for p in Path("/usr/lib/postgresql").glob("*/bin/initdb"))[::-1]
    return [*([Path(found).parent] if found else []), *debian]
