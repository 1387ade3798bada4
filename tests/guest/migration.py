"""A migration of a whole machine, as its operator sees it, and what is looked at before and after.

What the operator does is HTTP and the line of an enrolment; what is looked at is the machine's own
console, and the target's images once nobody writes them.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rehost.cli.demo_console import Console, connected
from tests.compat.conftest import Service
from tests.compat.rig import Rig
from tests.guest.load import KEPT
from tests.guest.source import HOST, Installed, Source, running
from tests.guest.witness import CUT, Witness, listening
from tests.machines.build.guest import Exchange, serving

LIMIT_S = 900  # for what takes seconds on a machine at rest; others may use this one, too
AGENT = "rehost-agent"
ENDED = ("MIGRATE_SUCCESS", "MIGRATE_FAIL", "SYNC_SUCCESS", "SYNC_FAIL", "ABORT")
SERVICES = ("load", "ssh", "postgresql@15-main")
LOAD = Path(__file__).with_name("load.py")
FSCK = Path(__file__).with_name("fsck_inside.py")
# What no conversion needs to change; what boots is looked at by booting.
STATIC = "/usr /opt /home /srv /data /etc/ssh /etc/passwd /etc/shadow /etc/machine-id"
MANIFEST = "/root/manifest"

UNIT = """[Unit]
Wants=network-online.target
After=network-online.target postgresql@15-main.service

[Service]
ExecStart=/usr/bin/python3 /usr/local/lib/load/load.py run {files} {host} {port}
Restart=always
RestartSec=2

[Install]
WantedBy=multi-user.target
"""
BEFORE_CUT = """#!/bin/bash
set -e
exec 3<>/dev/tcp/{host}/{port}
printf '{cut}\\n0\\n' >&3
read -r said <&3
test "$said" = noted
"""
HOOKS = """[[hook]]
name = "say when"
pre = ["/usr/local/lib/load/before-cut"]
limit_s = 300
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a machine is to be after its migration as it was before."""

    hostname: str
    machine_id: str
    addresses: tuple[str, ...]
    routes: tuple[str, ...]
    host_keys: tuple[str, ...]
    mounts: tuple[str, ...]
    failed_units: tuple[str, ...]


@dataclass
class Migration:
    """Of the one machine that is enrolled."""

    source: Source
    files: str  # the folder of the source where its load makes files
    service: Service
    witness: Witness
    rig: Rig = field(init=False)
    source_id: str = ""
    task_id: str = ""
    before: Look = field(init=False)

    def __post_init__(self) -> None:
        self.rig = Rig(self.service, self.service.token())

    @property
    def target(self) -> Path:
        """The folder of the target server."""
        return self.service.data / "targets" / self.task_id

    def enrol(self) -> dict[str, Any]:
        """Install the agent as its operator would; the source as it is shown then."""
        status, _, body = self.service.call(
            "POST", "/v3/rehost/enrolments", {"hours": 1}, X_Auth_Token=self.rig.token
        )
        assert status == 201
        self.source.console.run(f"cd /root && {body['line']}", limit_s=LIMIT_S)
        shown: dict[str, Any] = self.until(self._registered)
        self.source_id = shown["id"]
        return shown

    def create(self, **more: Any) -> None:
        wanted = {"syncing": True, "start_target_server": True, "auto_start": True} | more
        self.task_id = self.rig.task(self.source_id, **wanted)

    def act(self, operation: str) -> None:
        self.rig.act(self.task_id, operation)

    def set_limit(self, speed: int) -> None:
        """Mbit/s, all day long; 0 is none."""
        day = [{"start": "00:00", "end": "24:00", "speed": speed}]
        self.rig.call("POST", f"/v3/tasks/{self.task_id}/speed-limit", {"speed_limit": day})

    def show(self) -> Any:
        return self.rig.show(self.task_id)

    def launch(self, kind: str) -> Any:
        """A start of the target, or of a clone; None if there was none."""
        path = f"/v3/rehost/tasks/{self.task_id}/launches"
        launches = self.rig.call("GET", path)["launches"]
        return next((each for each in launches if each["kind"] == kind), None)

    def until_copied(self, size: int) -> None:
        """Until so many bytes are durable at the target."""
        self.until(lambda: self.rig.shown(self.source_id)["replicatesize"] >= size)

    def until_launched(self, kind: str) -> Any:
        """A start, once it has come to its end, whatever its verdict."""
        return self.until(
            lambda: (start := self.launch(kind)) and (start["outcome"] or start["error"]) and start
        )

    def until_state(self, *states: str, limit_s: float = 3 * LIMIT_S) -> Any:
        """The task, once it is in one of these states, or has ended otherwise."""
        wanted = {*states, *ENDED}
        task = self.until(lambda: (t := self.show())["state"] in wanted and t, limit_s)
        assert task["state"] in states, self.told(task)
        return task

    def until(self, what: Callable[[], Any], limit_s: float = LIMIT_S) -> Any:
        """What it gives, as soon as that is something."""
        end = time.monotonic() + limit_s
        while not (found := what()):
            self.source.qemu.check()
            if time.monotonic() > end:
                pytest.fail("it did not come: " + self.told(self.task_id and self.show()))
            time.sleep(0.5)
        return found

    def told(self, task: Any) -> str:
        """What is known of a task that is not as it should be."""
        log = self.service.log.read_text()[-3000:]
        journal = self.source.console.run(f"journalctl -u {AGENT} -n 30 -o cat --no-pager")
        return f"{json.dumps(task, indent=1)}\nthe service:\n{log}\nthe agent:\n{journal}"

    def _registered(self) -> dict[str, Any] | None:
        """The one source, once it is judged and its agent was heard."""
        for source in self.rig.call("GET", "/v3/sources")["source_servers"]:
            if source["connected"] and source["checks"]:
                shown: dict[str, Any] = self.rig.shown(source["id"])
                return shown
        return None


def put_under_load(source: Source, witness: Witness, files: str) -> None:
    """Have the machine work from now on, and at each boot, as load.py says."""
    unit = UNIT.format(files=files, host=HOST, port=witness.port)
    hook = BEFORE_CUT.format(host=HOST, port=witness.port, cut=CUT)
    offered = {
        "load.py": LOAD.read_bytes(),
        "load.service": unit.encode(),
        "before-cut": hook.encode(),
        "hooks.toml": HOOKS.encode(),
    }
    places = {
        "load.py": "/usr/local/lib/load/load.py",
        "load.service": "/etc/systemd/system/load.service",
        "before-cut": "/usr/local/lib/load/before-cut",
        "hooks.toml": "/etc/rehost/hooks.toml",
    }
    run = source.console.run
    run("install -d /usr/local/lib/load && install -d -m 700 /etc/rehost")
    with serving(Exchange(offered=offered)) as port:
        for name, place in places.items():
            run(f"curl -fsS --retry 60 --retry-all-errors http://{HOST}:{port}/{name} -o {place}")
    run("chmod 755 /usr/local/lib/load/before-cut")
    run("systemctl enable --now load 2>&1", limit_s=LIMIT_S)
    witness.wait_for_more(5, limit_s=LIMIT_S)


def note_files(console: Console) -> None:
    """Keep, on the machine itself, the digest of each file that does not change."""
    console.run(
        f"find $(ls -d {STATIC} 2>/dev/null) -xdev -type f -not -path '*/load/*' -print0"
        f" | xargs -0 md5sum >{MANIFEST} && sync",
        limit_s=LIMIT_S,
    )


def changed_files(console: Console) -> list[str]:
    """Those that are not as they were noted."""
    said = console.run(f"md5sum -c --quiet {MANIFEST} 2>&1; true", limit_s=LIMIT_S)
    return [line for line in lines(said) if ": FAILED" in line]


def look(console: Console) -> Look:
    """Once all of its units have started, or failed."""
    run = console.run
    run("systemctl is-system-running --wait; true", limit_s=LIMIT_S)
    return Look(
        hostname=run("hostname").strip(),
        machine_id=run("cat /etc/machine-id").strip(),
        addresses=lines(run("ip -o -4 address show scope global | awk '{print $2, $4}'")),
        routes=lines(run("ip -4 route show default | sed 's/ src .*//; s/ metric .*//'")),
        host_keys=lines(run("cat /etc/ssh/ssh_host_*_key.pub")),
        mounts=lines(run("findmnt --real -rno TARGET,FSTYPE | sort")),
        failed_units=lines(run("systemctl list-units --failed --plain --no-legend")),
    )


def lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


@contextmanager
def logged_in(server: Path) -> Iterator[Console]:
    """On the console of a running target server, or clone of one, by its folder."""
    with connected(server / "console.sock") as console:
        console.type("\n")  # what it said before is lost
        console.log_in(limit_s=LIMIT_S)
        yield console


@contextmanager
def at_work(source: Installed, files: str, service: Service, folder: Path) -> Iterator[Migration]:
    """The machine runs under load, which makes its files in `files`, and is ready to migrate."""
    with listening() as witness, running(source, folder) as started:
        started.console.log_in(limit_s=LIMIT_S)
        put_under_load(started, witness, files)
        migration = Migration(started, files, service, witness)
        shown = migration.enrol()
        assert [c for c in shown["checks"] if c["result"] == "ERROR"] == []
        note_files(started.console)
        migration.before = look(started.console)
        assert migration.before.failed_units == ()
        yield migration


def expect_moved(migration: Migration, *, torn: int = 0) -> None:
    """The target that runs is what its source was when it was cut.

    `torn` lines of the source's own log there may be, of times when it was turned off.
    """
    witness = migration.witness
    told = witness.told(cut=witness.cuts)
    of_source = witness.boots(cut=witness.cuts)
    # Its network is there, and its services are.
    witness.wait_until(lambda: witness.boots() > of_source, limit_s=LIMIT_S)
    print(times(migration))
    migration.source.qemu.stop()  # nothing is asked of it any more, and it takes a processor
    with logged_in(migration.target) as console:
        after = look(console)
        found = found_by_load(console, migration.files)
        changed = changed_files(console)
        console.run(f"systemctl is-active {' '.join(SERVICES)}")
    assert after == migration.before
    expect_all_there(found, told)
    assert len(found["torn"]) <= torn
    assert changed == []
    expect_sound(migration.target)


def times(migration: Migration) -> str:
    """What the cutover took, as the task tells it."""
    start, phases = migration.launch("final"), migration.show()["sub_tasks"]
    converted = next(each for each in phases if each["name"].startswith("CONFIGURE"))
    return (
        f"frozen for {start['frozen_ms']:.0f} ms; "
        f"from the cut to the start {start['boot_at'] - start['cut_at']} ms, "
        f"of them conversion {converted['end_date'] - converted['start_date']} ms; "
        f"down for {start['downtime_ms']} ms; changed: {start['changed']}"
    )


def expect_sound(server: Path) -> None:
    """The replica, which nobody writes any more, has no filesystem with an error."""
    environ = os.environ | {
        "LIBGUESTFS_BACKEND": "direct",
        "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg",
    }
    images = sorted(server.glob("disk-*.img"))
    argv = ["/usr/bin/python3", "-I", *map(str, (FSCK, *images))]
    done = subprocess.run(argv, env=environ, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def expect_all_there(found: dict[str, Any], told: list[int]) -> None:
    """What was told before the cut is there, and sound; what came later is whole, or not there."""
    assert found["damaged"] == []
    files, rows, in_lines = (numbers(found[kind]) for kind in ("files", "rows", "lines"))
    assert set(told) <= rows <= in_lines
    oldest = min(files)
    assert {number for number in in_lines if number >= oldest} <= files
    assert max(told) - oldest > min(len(told), KEPT) // 2


def found_by_load(console: Console, files: str) -> dict[str, Any]:
    """What load.py finds of earlier boots."""
    said = console.run(f"python3 /usr/local/lib/load/load.py check {files}", limit_s=LIMIT_S)
    parsed: dict[str, Any] = json.loads(said)
    return parsed


def numbers(ranges: list[list[int]]) -> set[int]:
    return {n for first, last in ranges for n in range(first, last + 1)}
