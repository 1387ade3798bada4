import os
import subprocess
import time
from pathlib import Path

import pytest

from rehost.errors import (
    CommandFailed,
    CommandMissing,
    CommandTimedOut,
    FileMissing,
    FileUnreadable,
)
from rehost.stages.discover import discover
from rehost.system.host import LiveHost

# One that other users may run too, unlike one in somebody's home.
PUBLIC_PYTHON = "/usr/bin/python3"


@pytest.fixture
def program(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    def make(name: str, script: str) -> None:
        file = tmp_path / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    return make


def is_running(process: str) -> bool:
    """Half a second later; a zombie is not running."""
    time.sleep(0.5)
    status = Path(f"/proc/{process}/stat")
    return status.exists() and ") Z " not in status.read_text()


def test_a_program_is_run_without_a_shell_in_a_plain_locale(program):
    program("say", 'echo "$1 $LC_ALL"')
    assert LiveHost().run(["say", "$HOME;"]) == "$HOME; C\n"


def test_a_failure_holds_the_last_line_of_what_the_program_said(program):
    program("fail", "echo first >&2; echo last >&2; exit 3")
    with pytest.raises(CommandFailed, match="fail failed: last"):
        LiveHost().run(["fail"])
    assert LiveHost().run(["fail"], ok=(0, 3)) == ""


def test_a_program_that_is_not_installed():
    with pytest.raises(CommandMissing):
        LiveHost().run(["no-such-program"])


def test_a_hanging_program_is_killed_with_its_children(program, tmp_path):
    program("hang", f"sleep 60 & echo $! > {tmp_path}/child; wait")
    began = time.monotonic()
    with pytest.raises(CommandTimedOut):
        LiveHost(time_limit_s=0.3).run(["hang"])
    assert time.monotonic() - began < 5
    assert not is_running((tmp_path / "child").read_text().strip())


def test_children_that_hold_the_pipes_of_a_program_are_killed(program, tmp_path):
    program("hang", f"sleep 60 & echo $! > {tmp_path}/child")
    began = time.monotonic()
    with pytest.raises(CommandTimedOut):
        LiveHost(time_limit_s=0.3).run(["hang"])
    assert time.monotonic() - began < 5
    assert not is_running((tmp_path / "child").read_text().strip())


def test_a_program_that_never_stops_printing_is_stopped(program):
    program("flood", "exec yes")
    with pytest.raises(CommandFailed, match="more than"):
        LiveHost().run(["flood"])


def test_both_pipes_may_be_full(program):
    program("both", "head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero")
    assert len(LiveHost().run(["both"])) == 300000


def test_a_file_that_is_not_there_is_told_from_one_that_is_closed(tmp_path):
    with pytest.raises(FileMissing):
        LiveHost().read(str(tmp_path / "none"))
    with pytest.raises(FileUnreadable, match="Is a directory"):
        LiveHost().read(str(tmp_path))


def test_a_part_of_a_file_is_read(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"0123456789")
    assert LiveHost().read(str(file), offset=4, size=3) == b"456"
    assert LiveHost().read(str(file), offset=8, size=30) == b"89"


def test_a_hanging_tool_costs_only_its_own_facts(program):
    program("ip", "sleep 60")
    report = discover(LiveHost(time_limit_s=0.5), agent_version="1")
    assert report.facts
    reasons = {m.fact: m.reason for m in report.facts.missing}
    assert "did not end within 0.5 s" in reasons["networks[].ip"]
    assert all(n.ip is None for n in report.networks)
    assert report.memory


@pytest.mark.parametrize("script", ["exit 1", "printf '\\377\\000 garbage\\n|||'", "echo"])
@pytest.mark.parametrize(
    "tool", ["ip", "vgs", "pvs", "lvs", "blkid", "uname", "systemd-detect-virt", "btrfs"]
)
def test_discovery_survives_a_tool_that_fails_or_prints_garbage(program, tool, script):
    program(tool, script)
    assert discover(LiveHost(), agent_version="1").memory


@pytest.mark.needs("root", "setpriv", PUBLIC_PYTHON)
def test_without_root_it_reports_what_it_can_and_why_not_the_rest(tmp_path):
    source = Path(__file__).parents[2] / "src"
    copy = tmp_path / "src"
    subprocess.run(["cp", "-r", source, copy], check=True)
    for folder in (*tmp_path.parents, tmp_path):
        if folder.owner() == "root" and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    program = f"import sys; sys.path.insert(0, '{copy}'); import rehost.agent.__main__ as a"
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    done = subprocess.run(
        [
            *nobody,
            PUBLIC_PYTHON,
            "-I",
            "-S",
            "-B",
            "-c",
            program + "; a.main(['discover', '--json'])",
        ],
        check=True,
        capture_output=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert b'"reason"' in done.stdout
