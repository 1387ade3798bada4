"""A copy of a filesystem under all kinds of writes, whose sender is killed again and again.

REHOST_FIRE_S says for how many seconds; it is then followed by one that is left alone, and cut
twice while the writes go on.
"""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rehost.agent import copying
from rehost.stages import cutover
from tests.blockdev.conftest import MakeDisk, Mounted, run
from tests.blockdev.test_under_fire import FSCK, MKFS
from tests.replicate.child import SenderChild
from tests.replicate.rig import MIB, Receiver
from tests.replicate.test_points import Watched, copied, differing

pytestmark = [pytest.mark.needs("root", "loop", "bpf"), pytest.mark.slow]
SIZE = 320 * MIB
# What XFS allots behind the ends of files is in use, but nobody has written it, or can read it.
OPTIONS = {"xfs": "discard,allocsize=4096"}
FIRE_S = float(os.environ.get("REHOST_FIRE_S", "180"))
KINDS = [pytest.param(kind, marks=pytest.mark.needs(kind)) for kind in MKFS]


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_source_at_one_moment(
    make_disk: MakeDisk,
    mounted: Mounted,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
):
    # The test reads the whole disk while it stands still.
    monkeypatch.setattr(cutover, "cut", partial(cutover.cut, limit_s=60))
    disk, target, seed = make_disk("disk", SIZE), tmp_path / "target", random.randrange(1 << 30)
    run(*MKFS[kind], disk)
    watched, replay = watched_sync(disk), partial(replay_log, kind, tmp_path / "replayed")
    monkeypatch.setattr(copying, "Sync", watched)
    print(f"seed {seed}")
    with (
        mounted(disk, "-o", OPTIONS.get(kind, "discard")) as folder,
        Receiver(tmp_path / "receiver", target, SIZE) as receiver,
        burning(folder, seed),
    ):
        kills = kill_senders(receiver, disk, random.Random(seed))
        with copied(receiver, disk) as running:
            told = running.point(1, limit_s=300)
            assert told["frozen"] == [str(folder)]
            assert differing(watched.moments[-1], target, tmp_path, replay=replay) == []
            running.control.have_taken(1)
            time.sleep(2)
            running.control.finish()
            running.end()
        assert running.result["cut"]["frozen"] == [str(folder)]
    assert kills
    assert differing(watched.moments[-1], target, tmp_path, replay=replay) == []
    replay(target)
    run(*FSCK[kind], target)


def kill_senders(receiver: Receiver, disk: str, draw: random.Random) -> int:
    """How many were. Most are killed while they copy for the first time, some in step."""
    kills, end = 0, time.monotonic() + FIRE_S
    while time.monotonic() < end:
        with SenderChild(receiver, disk, syncing=True, verify=draw.random() < 0.5) as child:
            with child.heard:
                child.heard.wait_for(lambda: child.has_ended, draw.uniform(0.5, 15))
            assert not child.has_ended, child.said
        kills += 1
    return kills


BURN = """
import sys
from pathlib import Path
from tests.blockdev.fire import Fire
with Fire(Path(sys.argv[1]), int(sys.argv[2])):
    sys.stdin.read()
"""


@contextmanager
def burning(folder: Path, seed: int) -> Iterator[None]:
    """In a process of its own, so that the writers do not wait for the copier, nor it for them."""
    argv = [sys.executable, "-c", BURN, str(folder), str(seed)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as process:
        try:
            yield
        finally:
            process.communicate()
    assert process.returncode == 0


def replay_log(kind: str, folder: Path, image: Path) -> None:
    """A frozen XFS has something in its log: until that is replayed, what it says is free is not
    believed, and not what xfs_repair expects."""
    if kind == "xfs":
        folder.mkdir(exist_ok=True)
        run("mount", "-o", "loop,nouuid", image, folder)
        run("umount", folder)


def watched_sync(disk: str) -> Any:
    class Mine(Watched):
        device = disk
        moments: list[bytes] = []  # noqa: RUF012 - this test's own

    return Mine
