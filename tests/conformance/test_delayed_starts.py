"""Starts that fail now, and may work in a while."""

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rehost.provider_errors import LaunchDelayed
from rehost.providers.base import Power
from rehost.providers.qemu import QemuOptions, QemuProvider, daemon, provider
from rehost.providers.qemu import options as host
from rehost.providers.qemu.options import Acceleration
from tests.conformance.provider import SPEC

pytestmark = pytest.mark.needs("qemu-system-x86_64", "qemu-img")

TCG = QemuOptions(acceleration=Acceleration.TCG)
# As QEMU does that goes to the background, and then hangs before it says that it is there.
HANGS = """#!{python}
import os, sys, time
pidfile = sys.argv[sys.argv.index("-pidfile") + 1]
if child := os.fork():
    with open(pidfile, "w") as file:
        file.write(str(child))
time.sleep(600)
"""


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[QemuProvider]:
    made = QemuProvider(tmp_path / "targets", TCG)
    yield made
    for found in made.inventory():
        made.delete(found.server.id)


def test_start_that_hangs_is_ended_and_may_be_tried_again(machines, tmp_path, monkeypatch):
    machines.create(SPEC)
    program = tmp_path / "qemu-that-hangs"
    program.write_text(HANGS.format(python=sys.executable))
    program.chmod(0o700)
    with monkeypatch.context() as patched:
        patched.setattr(host, "QEMU", (str(program),))
        patched.setattr(provider, "START_LIMIT_S", 5.0)
        with pytest.raises(LaunchDelayed, match="within 5 s") as failure:
            machines.boot(SPEC.task_id)
    assert failure.value.retryable
    with daemon.process_of(tmp_path / "targets" / SPEC.task_id / "pid") as running:
        assert running is None
    machines.boot(SPEC.task_id)
    assert machines.power(SPEC.task_id) is Power.ON


def test_disk_that_another_program_uses_is_waited_for(machines):
    other = replace(SPEC, task_id="other")
    used, copied = (machines.create(spec).disks[0].path for spec in (SPEC, other))
    copied.unlink()
    os.link(used, copied)
    machines.boot(SPEC.task_id)
    with pytest.raises(LaunchDelayed, match="lock"):
        machines.boot(other.task_id)
    machines.stop(SPEC.task_id, hard=True)
    machines.boot(other.task_id)
