"""The machine's clock leaps while a disk is copied, at both ends."""

import datetime
import itertools
import json
import socket
import subprocess
from pathlib import Path

import pytest

from tests.blockdev.test_cutover import wait_for
from tests.replicate.child import SenderChild
from tests.replicate.rig import MIB, Receiver, make_image

SIZE = 48 * MIB
LEAPS = ("+10y", "-10y", "+3600", "-3600", "+0")


def library() -> Path | None:
    return next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)


@pytest.fixture
def clock(tmp_path, monkeypatch):
    """A file that says how far from the truth the clock of programs is that are started now.

    As a leap of the real one does, it leaves the monotonic clock alone.
    """
    file = tmp_path / "clock"
    file.write_text("+0")
    monkeypatch.setenv("LD_PRELOAD", str(library()))
    monkeypatch.setenv("FAKETIME_TIMESTAMP_FILE", str(file))
    monkeypatch.setenv("FAKETIME_NO_CACHE", "1")
    monkeypatch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    return file


@pytest.mark.slow
@pytest.mark.needs("faketime")
def test_a_clock_that_leaps_changes_nothing(tmp_path, clock):
    image = make_image(tmp_path / "image", SIZE, holes=0)
    leaps = itertools.cycle(LEAPS)
    with (
        Receiver(tmp_path / "notes", tmp_path / "target", SIZE) as receiver,
        SenderChild(receiver, str(image), limit=6e6, verify=True) as child,
    ):
        child.wait_for(lambda said: sent(said) > 4 * MIB)
        while not child.has_ended:
            clock.write_text(next(leaps))
            before = len(child.all)
            child.wait_for(lambda _: len(child.all) > before)  # noqa: B023
        child.result()
        assert child.differed == []
        # It does have that clock: what it says of a stranger is of that time.
        clock.write_text("+10y")
        socket.create_connection(("127.0.0.1", receiver.port)).close()
        future = str(datetime.datetime.now(datetime.UTC).year + 10)
        wait_for(lambda: future in years(receiver.log()), 30)
    subprocess.run(["cmp", image, tmp_path / "target"], check=True)


def years(log: str) -> set[str]:
    return {json.loads(line)["time"][:4] for line in log.splitlines() if line.endswith("}")}


def sent(said) -> int:
    return sum(disk["sent"] for disk in said.get("progress", {}).get("disks", ()))
