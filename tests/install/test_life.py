"""The life of an agent on real systems of several ages, from the line that brings it to its end.

A service on this machine, and Debian with its own systemd in namespaces: the line is pasted, a
disk is copied, the agent is upgraded in the middle of it, and taken off without a trace.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rehost.control import admin_unit
from tests.install.debian import Machine, copied, installed, listing, run_inside, running
from tests.migration.rig import MIB, make_disk

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("root", "mmdebstrap", "ip", "nsenter", "curl", "loop", "mkfs.ext4"),
]
HOST, ADDRESS, PORT = "10.99.8.1", "10.99.8.2", 8780
URL = f"https://{HOST}:{PORT}"
LIMIT_S = 240
COMMON = ("systemd", "systemd-sysv", "dbus", "procps", "util-linux")


@dataclass(frozen=True, slots=True)
class System:
    """A Debian, and what is to become of the agent on it."""

    suite: str
    packages: tuple[str, ...]
    program: str
    said: str


SYSTEMS = (
    # Its Python is 3.9, too old.
    System(
        "bullseye",
        (*COMMON, "python3", "wget"),
        "usr/local/sbin/rehost-agent",
        "taking the executable",
    ),
    # The oldest that the zip runs on: 3.11.
    System(
        "bookworm",
        (*COMMON, "python3", "curl"),
        "usr/local/lib/rehost/rehost-agent.pyz",
        "taking the Python that is here (Python 3.11.2)",
    ),
)


class Service:
    def __init__(self, folder: Path, runtime: Path, cleanup: ExitStack) -> None:
        self.data, self.folder = folder / "data", folder
        self._cleanup = cleanup
        (self.data / "agent-runtimes").mkdir(parents=True, mode=0o700)
        self.data.chmod(0o700)
        shutil.copy(runtime, self.data / "agent-runtimes" / "linux-x86_64")
        said = self.rehost("user", "create", "ada", "--data", self.data)
        [self._password] = re.findall(r"password: (\S+)", said)

    def start(self) -> None:
        where = ("--host", HOST, "--port", PORT, "--data", self.data, "--provider", "null")
        argv = (sys.executable, "-m", "rehost", "serve", *where, "--poll-interval", "1")
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen([*map(str, argv)], stdout=log, stderr=log)
        self._cleanup.callback(process.wait)
        self._cleanup.callback(process.terminate)
        login = ("login", "--service", URL, "--user", "ada", "--password-stdin")
        ca = ("--ca-file", self.data / "tls.crt")
        until(lambda: self.rehost(*login, *ca, text=self._password) is not None)

    def rehost(self, *words: object, text: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "-m", "rehost", *map(str, words)],
            input=text,
            env=os.environ | {"HOME": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def json(self, *words: object) -> Any:
        return json.loads(self.rehost(*words, "--json"))

    def leave_out(self, source: str, disks: list[str]) -> None:
        body = {"disks": [{"id": name, "need_migration": False} for name in disks]}
        token = f"X-Auth-Token: {self.rehost('token').strip()}"
        put = ["curl", "-fsS", "--cacert", str(self.data / "tls.crt"), "-X", "PUT", "-H", token]
        put += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        subprocess.run([*put, f"{URL}/v3/sources/{source}"], check=True, stdout=subprocess.PIPE)


def until(question: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + LIMIT_S
    while True:
        try:
            if answer := question():
                return answer
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.5)


@pytest.fixture
def cleanup() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def loop(tmp_path: Path, cleanup: ExitStack) -> str:
    """A block device with a filesystem: its changes are tracked, and it is frozen at the cut."""
    image, files = tmp_path / "disk.img", tmp_path / "files"
    files.mkdir()
    make_disk(files / "data", 48 * MIB)
    image.touch()
    os.truncate(image, 80 * MIB)
    mkfs = ["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"]
    subprocess.run([*mkfs, "-d", files, image], check=True)
    found = subprocess.check_output(["losetup", "--find", "--show", image], text=True).strip()
    cleanup.callback(subprocess.run, ["losetup", "--detach", found], check=True)
    return found


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.suite)
def test_from_the_line_to_no_trace(system, runtime, loop, tmp_path, cleanup):
    root = copied(installed(system.suite, system.packages), tmp_path / "system")
    name = f"rehost-{os.getpid()}"
    source = cleanup.enter_context(running(root, name=name, address=ADDRESS, host=HOST))
    about = Path(loop).stat().st_rdev
    source.run("mknod", loop, "b", str(os.major(about)), str(os.minor(about)))
    source.run("mkdir", "/srv/data")
    source.run("mount", loop, "/srv/data")
    service = Service(tmp_path, runtime, cleanup)
    service.start()
    source.run("umount", "/srv/data")
    before = listing(root)
    source.run("mount", loop, "/srv/data")

    line = service.rehost("enroll").splitlines()[-1]
    line = line.replace("--service", f"--disk {loop} --service")
    done = source.try_("sh", "-c", f"cd /root && {line}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert system.said in done.stderr
    assert (root / system.program).exists()
    assert source.run("systemctl", "is-active", "rehost-agent") == "active\n"

    service.rehost("enroll", "--offline", root / "root")  # the newer file, brought by hand
    source_id = begin(service, loop)
    migrate_with_an_upgrade(service, source, source_id, root / system.program)
    assert_same_file(service, tmp_path)

    source.run("sh", "/root/rehost-agent.run", "uninstall")
    source.run("rm", "/root/rehost-agent.run")
    source.run("umount", "/srv/data")
    assert differences(before, listing(root)) == []
    assert "rehost" not in source.run("systemctl", "list-units", "--all", "--plain")
    assert "rehost" not in source.run("ps", "-eo", "args")


def begin(service: Service, device: str) -> str:
    """The source, once the agent's disks but that one are left out."""

    def connected() -> Any:
        found = service.json("sources", "list")["source_servers"]
        return found and found[0]["connected"] and found[0]

    source = until(connected)
    others = [d["name"] for d in source["init_target_server"]["disks"] if d["name"] != device]
    service.leave_out(source["id"], others)
    return str(source["id"])


def migrate_with_an_upgrade(
    service: Service, source: Machine, source_id: str, program: Path
) -> None:
    created = ("tasks", "create", source_id, "--name", "move", "--leave-target-off")
    service.rehost(*created)
    service.rehost("tasks", "limit", "move", "00:00-24:00=24")
    service.rehost("tasks", "start", "move")

    def copied() -> int:
        return int(service.json("sources", "show", source_id)["replicatesize"])

    until(lambda: copied() > 8 * MIB)
    pid = source.run("systemctl", "show", "--value", "--property=MainPID", "rehost-agent")
    first = program.stat().st_ino
    at = copied()
    said = source.try_("sh", "/root/rehost-agent.run")
    assert said.returncode == 0, said.stderr
    assert program.stat().st_ino != first
    after = source.run("systemctl", "show", "--value", "--property=MainPID", "rehost-agent")
    assert after != pid
    until(lambda: copied() > at)
    service.rehost("tasks", "limit", "move", "--none")

    def state() -> str:
        shown = str(service.json("tasks", "show", "move")["state"])
        assert "FAIL" not in shown, service.rehost("tasks", "show", "move")
        return shown

    until(lambda: state() == "MIGRATE_SUCCESS")
    assert "ebpf" in json.dumps(service.json("tasks", "show", "move")).lower()


def assert_same_file(service: Service, folder: Path) -> None:
    [target] = (service.data / "targets").rglob("disk-0.img")
    # Replays the journal, as a start would.
    checked = subprocess.run(["e2fsck", "-fy", target], check=False, stdout=subprocess.PIPE)
    assert checked.returncode in (0, 1)
    dump = ["debugfs", "-R", f"dump /data {folder / 'copy'}", str(target)]
    subprocess.run(dump, check=True, capture_output=True)
    assert (folder / "copy").read_bytes() == (folder / "files/data").read_bytes()


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What came, went or changed, but for what systems note of their own."""
    changed = {p for p in before.keys() | after.keys() if before.get(p) != after.get(p)}
    return sorted(p for p in changed if not p.startswith(("var/log/journal/",)))


@pytest.mark.parametrize("words", [("--version",), ("discover", "--json")])
def test_the_executable_runs_where_there_is_no_python_at_all(words, executable, tmp_path):
    root = copied(installed("bullseye", COMMON), tmp_path / "system")
    shutil.copy(executable, root / "root/rehost-agent")
    assert not list(root.glob("usr/bin/python3*"))
    assert run_inside(root, "/root/rehost-agent", *words)


def test_what_the_service_left_running_outlives_it(tmp_path, cleanup):
    root = copied(installed("bullseye", COMMON), tmp_path / "system")
    name = f"rehost-{os.getpid()}"
    machine = cleanup.enter_context(running(root, name=name, address=ADDRESS, host=HOST))
    # As a target machine does: a daemon in the service's control group.
    words = ["/bin/sh", "-c", "setsid sleep 4321 & exec sleep 1234"]
    (root / "etc/systemd/system/rehost.service").write_text(admin_unit.text(words, None))
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "rehost")
    until(lambda: "sleep 4321" in machine.run("ps", "-eo", "args"))
    machine.run("systemctl", "restart", "rehost")
    machine.run("systemctl", "stop", "rehost")
    left = machine.run("ps", "-eo", "args")
    assert "sleep 1234" not in left
    assert "sleep 4321" in left
