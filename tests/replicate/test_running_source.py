"""A disk that is written while it is copied: whole, in step, cut at one moment."""

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rehost.contract.codec import encode
from tests.blockdev.test_cutover import wait_for
from tests.replicate.child import SenderChild
from tests.replicate.rig import MIB, TASK, Receiver, make_image

pytestmark = pytest.mark.needs("root", "loop", "ext4")
SIZE = 300 * MIB


@pytest.fixture
def source(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    with mounted_disk(tmp_path, SIZE) as made:
        yield made


@contextmanager
def mounted_disk(tmp_path: Path, size: int) -> Iterator[tuple[str, Path]]:
    """A loop device, and where its ext4 is mounted."""
    image, folder = tmp_path / "source.img", tmp_path / "mounted"
    with image.open("wb") as file:
        file.truncate(size)
    device = run("losetup", "--find", "--show", image).strip()
    try:
        run("mkfs.ext4", "-q", device)
        folder.mkdir()
        run("mount", device, folder)
        try:
            yield device, folder
        finally:
            run("umount", folder)
    finally:
        run("losetup", "--detach", device)


def run(*words: object) -> str:
    return subprocess.run(list(map(str, words)), check=True, capture_output=True, text=True).stdout


class Writer(threading.Thread):
    """Writes numbered files, each durable before it counts; notes what is in it."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self.ended = threading.Event()
        self.durable: dict[str, str] = {}

    def run(self) -> None:
        number = 0
        while not self.ended.is_set():
            content = os.urandom(30_000 + number % 7 * 9_000)
            name = f"file-{number:05}"
            with (self._folder / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            self.durable[name] = hashlib.sha256(content).hexdigest()
            if number >= 400:
                (self._folder / f"file-{number - 400:05}").unlink()
            number += 1


@contextmanager
def writing(folder: Path) -> Iterator[Writer]:
    writer = Writer(folder)
    writer.start()
    try:
        yield writer
    finally:
        writer.ended.set()
        writer.join()


def send(receiver: Receiver, device: str, **more: Any) -> dict[str, Any]:
    """Everything that the sender says at last, by its kind."""
    job = {
        "task_id": TASK,
        "host": "127.0.0.1",
        "port": receiver.port,
        "tls": encode(receiver.agent),
        "disks": [{"id": 0, "name": device, "path": device}],
        "verify": True,
        **more,
    }
    with subprocess.Popen(
        [sys.executable, "-m", "rehost.agent.sender"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        print(json.dumps(job), file=child.stdin, flush=True)
        said: dict[str, Any] = {}
        for line in child.stdout:
            said |= json.loads(line)
            if said.get("phase") == "syncing" and more.get("syncing"):
                time.sleep(2)
                more = {}
                print(json.dumps({"finish": True}), file=child.stdin, flush=True)
    return said


def files_of(image: Path, folder: Path) -> dict[str, str]:
    """Digests of the files in an image; its journal is replayed, as at a start."""
    folder.mkdir()
    run("mount", "-o", "loop", image, folder)
    try:
        return {
            file.name: hashlib.sha256(file.read_bytes()).hexdigest()
            for file in folder.glob("file-*")
        }
    finally:
        run("umount", folder)


@pytest.mark.parametrize("syncing", [False, True])
def test_the_copy_is_the_source_at_one_moment(
    source: tuple[str, Path], tmp_path: Path, syncing: bool
):
    device, folder = source
    (folder / "old").write_bytes(os.urandom(40 * MIB))
    target = tmp_path / "target.img"
    with Receiver(tmp_path / "receiver", target, SIZE) as receiver, writing(folder) as writer:
        before = dict(writer.durable)
        said = send(receiver, device, syncing=syncing)
        after = dict(writer.durable)
    assert "result" in said, said
    assert said["trackers"][device]["tracker"].startswith("ebpf")
    assert [disk["differed"] for disk in said["verified"]] == [[]]
    assert said["result"]["cut"]["frozen"] == [str(folder)]

    run("e2fsck", "-fn", target)
    arrived = files_of(target, tmp_path / "look")
    whole = {name for name, digest in arrived.items() if after.get(name) == digest}
    last = max(whole)
    assert len(whole) > 100
    assert last > max(before, default="")
    # Of what was durable when the last of them was, all is there: but for files since deleted.
    first = f"file-{max(0, int(last[5:]) - 399):05}"
    assert {name for name in after if first < name <= last} <= whole


def test_what_is_kept_in_step_is_compared_again_while_it_is_written(
    source: tuple[str, Path], tmp_path: Path
):
    device, folder = source
    (folder / "old").write_bytes(os.urandom(40 * MIB))
    target = tmp_path / "target.img"
    with (
        Receiver(tmp_path / "receiver", target, SIZE) as receiver,
        SenderChild(receiver, device, syncing=True, verify=True) as child,
        writing(folder) as writer,
    ):
        child.wait_for(lambda said: said.get("phase") == "syncing")
        (folder / "new").write_bytes(os.urandom(30 * MIB))  # where nothing was used before
        run("sync", folder / "new")
        wait_for(lambda: len(writer.durable) > 200, 60)
        child.tell({"finish": True, "verify": True})
        cut = child.result()["cut"]
    first, second = [said["verified"][0] for said in child.all if "verified" in said]
    assert (first["differed"], second["differed"]) == ([], [])
    assert second["compared"] > first["compared"] + 30 * MIB
    assert cut["duration_s"] < 1
    run("e2fsck", "-fn", target)


def test_who_is_told_to_end_before_it_kept_in_step_compares_once(tmp_path: Path):
    image = make_image(tmp_path / "image", 8 * MIB)
    with (
        Receiver(tmp_path / "receiver", tmp_path / "target.img", 8 * MIB) as receiver,
        SenderChild(receiver, str(image), syncing=True, verify=True, limit=4e6) as child,
    ):
        child.wait_for(lambda said: "progress" in said)
        child.tell({"finish": True, "verify": True})
        child.result()
    assert len([said for said in child.all if "verified" in said]) == 1


def test_an_image_that_nobody_writes_needs_no_tracker_and_no_freeze(tmp_path: Path):
    image, target = tmp_path / "source.img", tmp_path / "target.img"
    run("mkfs.ext4", "-q", image, "64M")
    with Receiver(tmp_path / "receiver", target, 64 * MIB) as receiver:
        said = send(receiver, str(image))
    assert said["trackers"] == {}
    assert said["result"]["cut"]["frozen"] == []
    assert target.read_bytes() == image.read_bytes()


def test_a_second_time_only_what_changed_is_sent(source: tuple[str, Path], tmp_path: Path):
    device, folder = source
    (folder / "old").write_bytes(os.urandom(40 * MIB))
    target = tmp_path / "target.img"
    with Receiver(tmp_path / "receiver", target, SIZE) as receiver:
        first = send(receiver, device)
        (folder / "new").write_bytes(os.urandom(3 * MIB))
        second = send(receiver, device)
    assert 40 * MIB < first["progress"]["disks"][0]["sent"] < SIZE // 2  # no free space
    assert second["progress"]["disks"][0]["sent"] < 12 * MIB
    run("umount", folder)
    run("mount", "-o", "ro", device, folder)
    run("e2fsck", "-fn", target)
