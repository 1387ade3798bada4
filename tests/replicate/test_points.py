"""Consistent points of a source that is written all the while: held until they are taken."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rehost.agent import copying, cuts
from rehost.agent.copying import Copying
from rehost.contract.digest import digest
from rehost.cutover_errors import FreezeFailed, HookFailed
from rehost.model.ranges import Range
from rehost.model.task import Priority
from rehost.stages.replicate.control import Control
from rehost.stages.replicate.job import Job, JobDisk
from rehost.stages.replicate.sender import Options, Sender
from rehost.stages.replicate.source import Source
from rehost.stages.replicate.sync import Sync
from rehost.storage.used.disk import used_ranges
from rehost.stream_errors import TransferStopped
from tests.blockdev.test_cutover import content, is_frozen, wait_for
from tests.replicate.rig import MIB, Receiver
from tests.replicate.test_running_source import Writer, files_of, mounted_disk, run, writing

SIZE = 96 * MIB
needs_disks = pytest.mark.needs("root", "loop", "ext4", "bpf")


class Watched(Sync):
    """Notes what the disk was each time that it stood still, and how often it is looked at."""

    device = ""
    moments: list[bytes]
    looks = 0

    def hold_last(self) -> None:
        super().hold_last()
        if self.device:
            self.moments.append(content(self.device))

    def watch(self) -> None:
        super().watch()
        self.looks += 1


class Running:
    """The copying of one disk, in a thread; `said` is what it said, in order."""

    def __init__(self, receiver: Receiver, disk: str, hooks: Path | None) -> None:
        self.control = Control()
        self.said: list[tuple[str, Any]] = []
        self.result: dict[str, Any] = {}
        self.error: Exception | None = None
        self.sent = 0
        self._peer, self._disk, self._hooks = receiver.peer, Path(disk), hooks
        self.thread = threading.Thread(target=self._run)

    def point(self, number: int, *, limit_s: float = 60) -> dict[str, Any]:
        self.control.ask_for_point(number)
        wait_for(lambda: self.told(number) is not None or not self.thread.is_alive(), limit_s)
        told = self.told(number)
        assert told is not None, self.error
        return told

    def told(self, number: int) -> dict[str, Any] | None:
        points = [value for kind, value in self.said if kind == "point"]
        return next((p for p in points if p["number"] == number), None)

    def wait_for_step(self) -> None:
        wait_for(lambda: ("phase", "syncing") in self.said or not self.thread.is_alive(), 300)
        assert self.thread.is_alive(), self.error

    def end(self) -> None:
        self.thread.join(300)
        assert not self.thread.is_alive()

    def _run(self) -> None:
        disk = Source(0, str(self._disk), self._disk)
        options = Options(priority=Priority.HIGH)
        job = Job(
            peer=self._peer,
            disks=(JobDisk(id=0, name=disk.name, path=self._disk),),
            syncing=True,
            hooks=self._hooks,
        )
        try:
            with Sender(self._peer, [disk], control=self.control, options=options) as sender:
                sender.connect()
                self.result = Copying(job, sender, {0: disk}, self._say).run()
                self.sent = sender.progress().disks[0].sent
        except Exception as e:
            self.error = e
        finally:
            disk.close()

    def _say(self, kind: str, value: Any) -> None:
        self.said.append((kind, value))


@contextmanager
def copied(receiver: Receiver, disk: str, *, hooks: Path | None = None) -> Iterator[Running]:
    running = Running(receiver, disk, hooks)
    running.thread.start()
    try:
        running.wait_for_step()
        yield running
    finally:
        running.control.stop()
        running.end()


@pytest.fixture
def source(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    with mounted_disk(tmp_path, SIZE) as made:
        yield made


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch, source: tuple[str, Path]) -> type[Watched]:
    class Mine(Watched):
        device = source[0]
        moments: list[bytes] = []  # noqa: RUF012 - this test's own
        last: Any = None

        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            type(self).last = self

    monkeypatch.setattr(copying, "Sync", Mine)
    return Mine


def expect_same(moment: bytes, target: Path, folder: Path) -> None:
    assert differing(moment, target, folder) == []
    run("e2fsck", "-fn", target)


def differing(
    moment: bytes, target: Path, folder: Path, *, replay: Callable[[Path], object] = lambda _: None
) -> list[Range]:
    """Where not all that is used is what it was then, byte for byte. `replay` makes a file system
    tell what that is."""
    image = folder / "moment"
    image.write_bytes(moment)
    replay(image)
    there = target.read_bytes()
    used = list(used_ranges(str(image)))
    assert sum(r.length for r in used) > 5 * MIB
    return [r for r in used if moment[r.offset : r.end] != there[r.offset : r.end]]


def write_on(writer: Writer, files: int = 60) -> None:
    so_far = len(writer.durable)
    wait_for(lambda: len(writer.durable) > so_far + files, 60)


@needs_disks
def test_a_point_is_the_source_at_one_moment_and_stays_it_until_it_is_taken(
    source: tuple[str, Path], watched: Any, tmp_path: Path
):
    device, folder = source
    target = tmp_path / "target.img"
    with (
        Receiver(tmp_path / "receiver", target, SIZE) as receiver,
        writing(folder) as writer,
        copied(receiver, device) as running,
    ):
        for number in (1, 2):
            write_on(writer)
            told = running.point(number)
            assert told["frozen"] == [str(folder)]
            held = digest(target.read_bytes())
            expect_same(watched.moments[-1], target, tmp_path)
            looks = watched.last.looks
            write_on(writer, 200)
            wait_for(lambda: watched.last.looks >= looks + 2)  # noqa: B023
            assert digest(target.read_bytes()) == held
            running.control.have_taken(number)
            wait_for(lambda: digest(target.read_bytes()) != held)  # noqa: B023
        before = max(writer.durable)
        running.control.finish()
        running.end()
    assert running.result["cut"]["frozen"] == [str(folder)]
    expect_same(watched.moments[-1], target, tmp_path)
    arrived = files_of(target, tmp_path / "look")
    assert max(arrived) >= before  # older files were removed meanwhile


@needs_disks
@pytest.mark.parametrize("ends", ["finish", "stop"])
def test_what_ends_it_acts_at_once_while_a_point_is_held(
    source: tuple[str, Path], tmp_path: Path, ends: str
):
    device, _ = source
    target = tmp_path / "target.img"
    with (
        Receiver(tmp_path / "receiver", target, SIZE) as receiver,
        copied(receiver, device) as running,
    ):
        running.point(1)
        getattr(running.control, ends)()
        running.end()
    if ends == "finish":
        assert running.result["cut"]["frozen"]
    else:
        assert isinstance(running.error, TransferStopped)


@needs_disks
def test_a_point_that_cannot_be_had_is_told_and_all_goes_on(
    source: tuple[str, Path], watched: Any, tmp_path: Path
):
    device, folder = source
    target, hooks = tmp_path / "target.img", tmp_path / "hooks.toml"
    ready = tmp_path / "ready"
    hooks.write_text(f'[[hook]]\nname = "database"\npre = ["/usr/bin/test", "-e", "{ready}"]\n')
    hooks.chmod(0o600)
    with (
        Receiver(tmp_path / "receiver", target, SIZE) as receiver,
        writing(folder) as writer,
        copied(receiver, device, hooks=hooks) as running,
    ):
        told = running.point(1)
        assert (told["number"], told["error_code"]) == (1, HookFailed.code)
        assert "'database' failed before the cut" in told["error_msg"]
        assert not is_frozen(folder)
        before = digest(target.read_bytes())
        write_on(writer)
        wait_for(lambda: digest(target.read_bytes()) != before)
        ready.touch()
        assert running.point(2)["frozen"] == [str(folder)]
        expect_same(watched.moments[-1], target, tmp_path)


@needs_disks
def test_a_cut_waits_for_another_program_s_freeze_and_copies_nothing_anew(
    source: tuple[str, Path], watched: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(cuts, "AGAIN_S", 0.5)
    monkeypatch.setattr(cuts, "PAUSE_S", 0.05)
    device, folder = source
    target = tmp_path / "target.img"
    (folder / "old").write_bytes(os.urandom(20 * MIB))
    with (
        Receiver(tmp_path / "receiver", target, SIZE) as receiver,
        copied(receiver, device) as running,
    ):
        run("fsfreeze", "--freeze", folder)
        try:
            failed = running.point(1)
            running.control.finish()
            wait_for(lambda: any(kind == "waits" for kind, _ in running.said))
            [why, *_] = [value for kind, value in running.said if kind == "waits"]
            assert not running.result
        finally:
            run("fsfreeze", "--unfreeze", folder)
        running.end()
        sent = running.sent
    assert failed["error_code"] == FreezeFailed.code
    assert "another program has frozen it" in why
    assert [value for kind, value in running.said if kind == "waits"][-1] == ""
    assert running.result["cut"]["frozen"] == [str(folder)]
    assert sent < 40 * MIB
    expect_same(watched.moments[-1], target, tmp_path)


def test_an_image_file_has_points_too(tmp_path: Path):
    image, target = tmp_path / "source.img", tmp_path / "target.img"
    run("mkfs.ext4", "-q", image, "64M")
    with (
        Receiver(tmp_path / "receiver", target, 64 * MIB) as receiver,
        copied(receiver, str(image)) as running,
    ):
        told = running.point(1)
        assert (told["frozen"], told["duration_s"]) == ([], 0.0)
        moment = image.read_bytes()
        run("debugfs", "-w", "-R", f"write {__file__} new", image)
        assert image.read_bytes() != moment
        running.control.wait(2.5)
        assert target.read_bytes() == moment
        running.control.have_taken(1)
        wait_for(lambda: target.read_bytes() == image.read_bytes())
        running.control.finish()
        running.end()
    assert running.result["cut"]["frozen"] == []
    assert target.read_bytes() == image.read_bytes()
