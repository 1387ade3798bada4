"""scripts/demo --full for real: a machine is built, migrated while it works, and started."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("root", "mmdebstrap", "qemu-system-x86_64", "qemu-img", "mkfs.ext4"),
]
DEMO = [sys.executable, "-m", "rehost.cli.demo", "--full"]
LIMIT_S = 3600  # less than ten minutes on a machine at rest


@pytest.fixture
def environ(tmp_path):
    """What a demo makes goes below here, so that what it leaves is seen."""
    return {**os.environ, "TMPDIR": str(tmp_path)}


def processes_with(folder: Path) -> list[str]:
    """Command lines of programs that were given something in `folder`."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line and "pytest" not in line.split(str(folder))[0]:
            found.append(line)
    return found


def expect_nothing_left(folder: Path) -> None:
    assert list(folder.iterdir()) == []
    assert processes_with(folder) == []


def test_from_nothing_to_a_login_prompt_with_every_record(environ, tmp_path):
    done = subprocess.run(
        DEMO, env=environ, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    for part in (
        "── Checks ",
        "It can be migrated",
        "Test of the target · up: ",
        "The target · up: ",
    ):
        assert part in done.stdout
    assert len(re.findall(r"^ +old-server login:", done.stdout, re.MULTILINE)) == 2
    [told] = re.findall(r"(\d+) records were acknowledged before the cut", done.stdout)
    [found] = re.findall(r"(\d+) records of the source are on the target", done.stdout)
    [own] = re.findall(r"(\d+) more the target has written itself", done.stdout)
    assert int(found) >= int(told) > 100
    assert int(own) > 0
    expect_nothing_left(tmp_path)


@pytest.mark.parametrize(
    "seen", ["trying what machines", "typing that line", "kept in step", "A test"]
)
def test_interrupted_it_leaves_nothing(environ, tmp_path, seen):
    with subprocess.Popen(DEMO, env=environ, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout
        for line in demo.stdout:
            if seen in line:
                break
        time.sleep(2)
        demo.send_signal(signal.SIGINT)
        demo.send_signal(signal.SIGINT)
        demo.stdout.read()
    assert demo.returncode == 130
    expect_nothing_left(tmp_path)
