"""The demo for real: a service, the agent of this machine, and nothing left of them."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

LIMIT_S = 300
DEMO = [sys.executable, "-m", "rehost.cli.demo"]


@pytest.fixture
def environ(tmp_path):
    """What a demo makes goes below here, so that what it leaves is seen."""
    return {**os.environ, "TMPDIR": str(tmp_path), "COLUMNS": "100", "TERM": "xterm"}


def processes_with(folder: Path) -> list[str]:
    """Command lines of programs that were given something in `folder`."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line and not line.startswith(DEMO[0] + " -m pytest"):
            found.append(line)
    return found


def wait_for(condition):
    deadline = time.monotonic() + LIMIT_S
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return value


def test_in_a_pipe_it_shows_this_machine_and_ends(environ, tmp_path):
    done = subprocess.run(
        DEMO, env=environ, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    for part in ("── Disks ", "── Checks ", "── Recommended target ", "OS_VERSION", "█"):
        assert part in done.stdout
    [curl] = re.findall(r'^curl -H "X-Auth-Token: \S+" http://\S+$', done.stdout, re.MULTILINE)
    shown = json.loads(done.stdout[done.stdout.index("\n{\n") :])
    assert curl.endswith(f"/v3/sources/{shown['id']}")
    assert shown["hostname"] == os.uname().nodename
    assert "\x1b" not in done.stdout
    migrated = re.findall(r"^(?:source|target) +([0-9a-f]{64})$", done.stdout, re.MULTILINE)
    assert len(migrated) == 2
    assert len(set(migrated)) == 1
    assert re.search(r"^\d+ MiB in use were compared .*: 0 differ$", done.stdout, re.MULTILINE)
    assert shown["current_task"]["state"] == "MIGRATE_SUCCESS"
    assert list(tmp_path.iterdir()) == []
    assert processes_with(tmp_path) == []


class OnTerminal:
    """A demo on a terminal; `read` is all that it has shown so far."""

    def __init__(self, environ):
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            DEMO, env=environ, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)
        self.open = True
        os.set_blocking(self.master, False)
        self.text = ""

    def read(self) -> str:
        with contextlib.suppress(OSError):
            self.text += os.read(self.master, 1 << 20).decode(errors="replace")
        return self.text

    def close(self) -> None:
        if self.open:
            self.open = False
            os.close(self.master)


@pytest.fixture
def on_terminal(environ):
    demo = OnTerminal(environ)
    yield demo
    if demo.process.poll() is None:
        demo.process.terminate()
    while demo.process.poll() is None:
        demo.read()
        time.sleep(0.05)
    demo.close()


def test_on_a_terminal_it_stays_until_ctrl_c(on_terminal, tmp_path):
    wait_for(lambda: "The demo is running" in on_terminal.read())
    [(token, url)] = re.findall(
        r'curl -H "X-Auth-Token: (\S+)" (http://[\w.:/-]+)', on_terminal.text
    )
    request = urllib.request.Request(url, headers={"X-Auth-Token": token})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert json.load(answer)["connected"] is True
    on_terminal.process.send_signal(signal.SIGINT)
    wait_for(lambda: on_terminal.read() and on_terminal.process.poll() is not None)
    assert on_terminal.process.returncode == 0
    assert list(tmp_path.iterdir()) == []
    assert processes_with(tmp_path) == []


def test_it_ends_with_its_terminal(on_terminal, tmp_path):
    wait_for(lambda: "The demo is running" in on_terminal.read())
    on_terminal.close()
    wait_for(lambda: on_terminal.process.poll() is not None)
    assert list(tmp_path.iterdir()) == []
    assert processes_with(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_killed_it_leaves_no_process(on_terminal, tmp_path, number):
    wait_for(lambda: on_terminal.read() and processes_with(tmp_path))
    on_terminal.process.send_signal(number)
    wait_for(lambda: on_terminal.read() and on_terminal.process.poll() is not None)
    wait_for(lambda: not processes_with(tmp_path))
    if number != signal.SIGKILL:
        assert list(tmp_path.iterdir()) == []
        assert on_terminal.process.returncode == 128 + number
