import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rehost.errors import ProgramFailed
from rehost.system import process

# A program whose child would outlive it; both print their ids.
WITH_CHILD = "sleep 100 & echo $!; echo $$; wait"


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def start(argv, log):
    return process.running(argv, name="it", log=log, environ=os.environ)


def test_nothing_of_a_program_is_left_behind(tmp_path):
    log = tmp_path / "log"
    with start(["sh", "-c", WITH_CHILD], log) as running:
        running.wait_until(lambda: len(log.read_text().splitlines()) == 2, limit_s=10)
        pids = [int(line) for line in log.read_text().splitlines()]
        assert all(is_alive(pid) for pid in pids)
    wait_for(lambda: not any(is_alive(pid) for pid in pids))  # a killed one takes a moment to die


def test_program_that_ends_early_is_reported_with_its_last_words(tmp_path):
    with (
        start(["sh", "-c", "echo no such thing >&2; exit 3"], tmp_path / "log") as running,
        pytest.raises(ProgramFailed, match="it ended with status 3; it said:\nno such thing"),
    ):
        running.wait_until(lambda: False, limit_s=10)


def test_program_that_is_never_ready_is_given_up(tmp_path):
    with (
        start(["sleep", "100"], tmp_path / "log") as running,
        pytest.raises(ProgramFailed, match="not ready"),
    ):
        running.wait_until(lambda: False, limit_s=0.2)


def test_program_dies_with_a_parent_that_is_killed(tmp_path):
    log = tmp_path / "log"
    code = (
        "import os, sys, time, pathlib; from rehost.system import process\n"
        "p = pathlib.Path(sys.argv[1])\n"
        "argv = ['sh', '-c', 'echo $$; exec sleep 100']\n"
        "with process.running(argv, name='it', log=p, environ=os.environ): time.sleep(100)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(log)]) as parent:
        wait_for(lambda: log.exists() and log.read_text())
        parent.send_signal(signal.SIGKILL)
    wait_for(lambda: not is_alive(int(log.read_text())))


def test_run_gives_text_and_returns_what_is_printed():
    assert process.run(["cat"], name="cat", environ=os.environ, text="x") == "x"
    with pytest.raises(ProgramFailed, match="ended with status 1"):
        process.run(["false"], name="false", environ=os.environ)
