"""`@pytest.mark.needs("root", "loop")`: skip a test, with the reason, where something is missing.

What REHOST_REQUIRE names ("root loop ext4") must be there: then such a skip is a failure.
"""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from rehost.system import bpf
from tests import postgresql

REQUIRED = frozenset(os.environ.get("REHOST_REQUIRE", "").split())


def is_root() -> bool:
    return os.geteuid() == 0


def has_loop() -> bool:
    if not is_root() or shutil.which("losetup") is None:
        return False
    found = subprocess.run(["losetup", "--find"], check=False, capture_output=True)
    return found.returncode == 0


def has_filesystem(name: str) -> bool:
    """The kernel can mount it, and its tool to make one is installed."""
    known = name in Path("/proc/filesystems").read_text().split()
    return known and shutil.which(f"mkfs.{name}") is not None


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def has_bpf() -> bool:
    return is_root() and bpf.works()


def has_blktrace() -> bool:
    """It is refused from lockdown "integrity" on; what is mounted where makes no difference."""
    try:
        return "[none]" in Path("/sys/kernel/security/lockdown").read_text()
    except OSError:
        return False


def has_libguestfs() -> bool:
    """It works with a kernel of this host's, and its module is for the system's own Python."""
    if not Path("/usr/bin/python3").exists():
        return False
    argv = ["/usr/bin/python3", "-c", "import guestfs"]
    asked = subprocess.run(argv, check=False, capture_output=True)
    return asked.returncode == 0 and any(Path("/boot").glob("vmlinu*"))


FILESYSTEMS = ("ext4", "xfs", "btrfs")
THINGS: dict[str, Callable[[], bool]] = {
    "root": is_root,
    "loop": has_loop,
    "bpf": has_bpf,
    "ipv6": has_ipv6,
    "blktrace ioctl": has_blktrace,
    "postgresql": postgresql.is_here,
    "libguestfs": cache(has_libguestfs),
    "grub-efi": lambda: Path("/usr/lib/grub/x86_64-efi/moddep.lst").exists(),
    "ovmf": lambda: Path("/usr/share/OVMF/OVMF_CODE_4M.fd").exists(),
}


def has(thing: str) -> bool:
    """What is neither named here nor a filesystem is a program."""
    if thing in FILESYSTEMS:
        return has_filesystem(thing)
    return THINGS[thing]() if thing in THINGS else shutil.which(thing) is not None


def pytest_report_header() -> list[str]:
    kinds = [*THINGS, *FILESYSTEMS]
    there = [thing for thing in kinds if has(thing)]
    lacking = [thing for thing in kinds if thing not in there]
    return [f"can test: {' '.join(there)}", f"cannot test: {' '.join(lacking) or 'nothing'}"]


def pytest_runtest_setup(item: pytest.Item) -> None:
    things = [thing for mark in item.iter_markers("needs") for thing in mark.args]
    missing = [thing for thing in things if not has(thing)]
    if REQUIRED & set(missing):
        pytest.fail(f"REHOST_REQUIRE names what this machine lacks: {' '.join(missing)}")
    if missing:
        pytest.skip(f"this machine lacks: {' '.join(missing)}")


@pytest.fixture(scope="session")
def server() -> Iterator[postgresql.Server]:
    with postgresql.running() as server:
        yield server


@pytest.fixture(
    scope="session",
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))],
)
def new_database(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Makes an empty database at each call and gives its URL; "" is SQLite in the data folder."""
    if request.param == "sqlite":
        return lambda: ""
    server: postgresql.Server = request.getfixturevalue("server")
    return server.new_database


@pytest.fixture
def database_url(new_database: Callable[[], str], tmp_path: Path) -> str:
    return new_database() or f"sqlite:///{tmp_path / 'rehost.db'}"
