"""What a demo started is gone when the demo is, however that ended."""

import os
import signal
import subprocess
import sys
import time

import pytest

from rehost.providers.base import Power
from rehost.providers.qemu import QemuOptions, QemuProvider
from rehost.providers.qemu.options import Acceleration
from tests.conformance import bootsector
from tests.conformance.provider import SPEC

pytestmark = pytest.mark.needs("qemu-system-x86_64", "setpriv")

# Whoever runs the tests in the background may have SIGINT ignored, which programs inherit.
DEMO = """
import signal, sys, time
from pathlib import Path
from rehost.cli.demo_guard import guarded
from rehost.cli.demo_service import settle
signal.signal(signal.SIGINT, signal.default_int_handler)
with guarded(settle(Path(sys.argv[1]), 0)):
    print("guarded", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def provider(tmp_path):
    folder = tmp_path / "demo" / "data" / "targets"
    folder.mkdir(parents=True)
    provider = QemuProvider(folder, QemuOptions(acceleration=Acceleration.TCG))
    server = provider.create(SPEC)
    with server.disks[0].path.open("r+b") as disk:
        disk.write(bootsector.deaf("ready"))
    provider.boot(server.id)
    yield provider
    provider.delete(server.id)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_targets_end_with_the_demo(provider, tmp_path, number):
    argv = [sys.executable, "-c", DEMO, str(tmp_path / "demo")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as demo:
        assert demo.stdout
        assert demo.stdout.readline() == b"guarded\n"
        assert provider.power(SPEC.task_id) is Power.ON
        os.kill(demo.pid, number)
    until = time.monotonic() + 120
    while provider.power(SPEC.task_id) is not Power.GONE or (tmp_path / "demo").exists():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_guard_of_a_demo_that_has_ended_before_it_tidies_up_at_once(tmp_path):
    demo = tmp_path / "demo"
    demo.mkdir()
    with subprocess.Popen(["true"]) as ended:
        pass
    argv = [sys.executable, "-m", "rehost.cli.demo_guard", str(demo), str(ended.pid)]
    subprocess.run(argv, check=True, timeout=120)
    assert not demo.exists()
