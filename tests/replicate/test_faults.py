"""Whatever breaks, the target is the same as the source at the end, byte for byte."""

import contextlib
import errno
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from rehost.contract.retry import Backoff
from rehost.model.ranges import Range
from rehost.model.task import Priority
from rehost.stages.replicate.control import Control
from rehost.stages.replicate.sender import Options, Sender
from rehost.stages.replicate.source import OnReadError, Source
from rehost.stream_errors import (
    SenderBroken,
    SourceUnavailable,
    SourceUnreadable,
    TargetFull,
    TransferStopped,
)
from rehost.system.block_io import PAGE, AlignedBuffer, BlockFile
from tests.replicate.failing import failing_device
from tests.replicate.proxy import Proxy
from tests.replicate.rig import MIB, Receiver, make_image

SIZE = 96 * MIB
ALL = {0: [Range(0, SIZE)]}
QUICK = Options(
    priority=Priority.HIGH, stall_s=1, backoff=Backoff(base_s=0.05, cap_s=0.3, attempts=60)
)


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    return make_image(tmp_path_factory.mktemp("source") / "image", SIZE, holes=0.1)


@pytest.fixture
def receiver(tmp_path):
    with Receiver(tmp_path / "notes", tmp_path / "target", SIZE) as receiver:
        yield receiver


@contextlib.contextmanager
def sending(peer, image, *, options=QUICK, control=None):
    source = Source(0, "/dev/vda", image)
    try:
        with Sender(peer, [source], options=options, control=control) as sender:
            sender.connect()
            yield sender
    finally:
        source.close()


def same(receiver, image):
    receiver.kill(signal.SIGTERM)
    return subprocess.run(["cmp", image, receiver.target], check=False).returncode == 0


@pytest.mark.parametrize("seed", range(4))
def test_connections_that_break_again_and_again(image, receiver, seed):
    draw = random.Random(seed)
    lengths = iter([draw.randrange(20 * MIB) for _ in range(12)])
    with Proxy(receiver.port, after=lambda: next(lengths, None), seed=seed) as proxy:
        with sending(replace(receiver.peer, port=proxy.port), image) as sender:
            sender.first_pass(ALL)
            assert sender.progress().done == SIZE
        assert proxy.breaks
    assert same(receiver, image)


def test_what_arrived_before_a_break_is_not_sent_again(image, receiver):
    lengths = iter([20 * MIB] * 8)
    with (
        Proxy(receiver.port, after=lambda: next(lengths, None)) as proxy,
        sending(replace(receiver.peer, port=proxy.port), image) as sender,
    ):
        sender.first_pass(ALL)
        sent = sender.progress().disks[0].sent
    with sending(receiver.peer, image) as fresh:
        fresh.send(ALL)
        once = fresh.progress().disks[0].sent
    # What was under way in the sender's own buffers when they broke: a few MiB each.
    assert sent <= once + len(proxy.breaks) * 8 * MIB


def kill_often(receiver, draw, times, done):
    for _ in range(times):
        if done.wait(draw.uniform(0.05, 0.5)):
            return
        receiver.kill()
        receiver.start()


@pytest.mark.parametrize(
    ("seed", "times"), [(0, 8), (1, 8), pytest.param(2, 200, marks=pytest.mark.slow)]
)
def test_receiver_is_killed_at_random_points(image, receiver, seed, times):
    done, draw = threading.Event(), random.Random(seed)
    control = Control(limit=SIZE / 2)  # or it is over before
    killer = threading.Thread(target=kill_often, args=(receiver, draw, times, done))
    with sending(receiver.peer, image, control=control) as sender:
        killer.start()
        try:
            while killer.is_alive():
                sender.send(ALL)
        finally:
            done.set()
            killer.join()
    assert same(receiver, image)


def job(receiver, image, **more):
    tls = receiver.agent
    return {
        "task_id": receiver.task_id,
        "host": "127.0.0.1",
        "port": receiver.port,
        "tls": tls
        and {"ca": tls.ca, "certificate": tls.certificate, "private_key": tls.private_key},
        "disks": [{"id": 0, "name": "/dev/vda", "path": str(image)}],
        "options": {"priority": Priority.HIGH},
        **more,
    }


@contextlib.contextmanager
def sender_process(content):
    argv = [sys.executable, "-m", "rehost.agent.sender"]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdin
        process.stdin.write(json.dumps(content) + "\n")
        process.stdin.flush()
        yield process
        process.kill()


def answers(process):
    return [json.loads(line) for line in process.stdout]


@pytest.mark.parametrize(("seed", "times"), [(0, 8), pytest.param(1, 200, marks=pytest.mark.slow)])
def test_sender_is_killed_at_random_points(image, receiver, seed, times):
    draw = random.Random(seed)
    for _ in range(times):
        with (
            sender_process(job(receiver, image, limit=SIZE / 2)) as process,
            contextlib.suppress(subprocess.TimeoutExpired),
        ):
            process.wait(draw.uniform(0.1, 1.2))
    with sender_process(job(receiver, image, verify=True)) as process:
        said = {kind: value for line in answers(process) for kind, value in line.items()}
    assert "result" in said
    assert [disk["differed"] for disk in said["verified"]] == [[]]
    assert same(receiver, image)


def test_a_disk_that_changed_between_two_senders(tmp_path, receiver):
    image = make_image(tmp_path / "image", SIZE, seed=7)
    with sender_process(job(receiver, image, limit=SIZE)) as process:
        time.sleep(0.8)
    with image.open("r+b") as file:
        for at in range(0, SIZE, 5 * MIB):
            file.seek(at + 4096)
            file.write(b"changed" * 100)
    with sender_process(job(receiver, image)) as process:
        assert "result" in answers(process)[-1]
    assert same(receiver, image)


def test_why_nobody_can_be_connected_to_is_said_at_once(image, receiver):
    with sender_process(job(receiver, image, port=1)) as process:
        for line in process.stdout:
            if trouble := json.loads(line).get("progress", {}).get("trouble"):
                break
    assert "no connection to the receiver at 127.0.0.1 port 1" in trouble


def test_an_image_that_vanishes_while_it_is_copied_has_an_error_of_its_own(tmp_path, receiver):
    image = make_image(tmp_path / "image", SIZE, seed=3)
    with sender_process(job(receiver, image, limit=SIZE)) as process:
        time.sleep(0.5)
        image.rename(image.with_name("away"))
        said = answers(process)[-1]
    assert said["error"]["code"] == SourceUnavailable.code


def test_what_nobody_foresaw_is_said_too(image, receiver):
    with sender_process(job(receiver, image, options={"connections": "two"})) as process:
        said = answers(process)[-1]
    assert said["error"]["code"] == SenderBroken.code
    assert "TypeError" in said["error"]["message"]
    assert not said["error"]["retryable"]


def test_stopped_and_started_again(image, receiver):
    control = Control(limit=40 * MIB)
    with sending(receiver.peer, image, control=control) as sender:
        threading.Timer(1, control.stop).start()
        with pytest.raises(TransferStopped):
            sender.first_pass(ALL)
    first = sender.progress()
    with sending(receiver.peer, image) as sender:
        sender.first_pass(ALL)
        second = sender.progress()
    # All that was sent before the stop is there: it became durable as the sender ended.
    assert first.disks[0].sent + second.disks[0].sent <= SIZE
    assert first.disks[0].sent > 10 * MIB
    assert same(receiver, image)


def test_paused_and_resumed(image, receiver):
    control = Control(limit=60 * MIB)
    with sending(receiver.peer, image, control=control) as sender:
        thread = threading.Thread(target=sender.first_pass, args=(ALL,))
        thread.start()
        time.sleep(0.5)
        control.pause()
        control.set_limit(None)
        time.sleep(0.3)
        before = sender.progress().disks[0].sent
        time.sleep(0.3)
        assert sender.progress().disks[0].sent == before < SIZE / 2
        control.resume()
        thread.join()
    assert same(receiver, image)


@pytest.fixture
def small(tmp_path):
    """A file system that is too small for the disk."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=60m", "none", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.needs("root")
def test_a_full_target_is_said_and_goes_on_once_there_is_space(tmp_path, image, small):
    with Receiver(tmp_path / "notes", small / "target", SIZE) as receiver:
        with (
            sending(receiver.peer, image) as sender,
            pytest.raises(TargetFull, match="make space and start the task again"),
        ):
            sender.first_pass(ALL)
        subprocess.run(["mount", "-o", "remount,size=200m", small], check=True)
        with sending(receiver.peer, image) as sender:
            sender.first_pass(ALL)
            assert sender.progress().disks[0].sent < SIZE - 30 * MIB
        assert same(receiver, image)


class FailingSource(Source):
    """A disk with places that cannot be read."""

    def __init__(self, image, bad, on_error):
        super().__init__(0, "/dev/vda", image, on_error=on_error)
        self._file = FailingFile(self._file, bad)  # type: ignore[assignment]


class FailingFile:
    def __init__(self, file, bad):
        self._wrapped, self._bad = file, bad

    def __getattr__(self, name):
        return getattr(self._wrapped, name)

    def read_into(self, view, offset):
        if any(offset < bad.end and bad.offset < offset + len(view) for bad in self._bad):
            raise OSError(errno.EIO, "Input/output error")
        self._wrapped.read_into(view, offset)


BAD = [Range(9 * MIB + 8192, 4096), Range(50 * MIB - 4096, 12288)]


def test_a_place_that_cannot_be_read_stops_the_transfer(image, receiver):
    source = FailingSource(image, BAD, OnReadError.STOP)
    with Sender(receiver.peer, [source], options=QUICK) as sender:
        sender.connect()
        with pytest.raises(SourceUnreadable, match=r"/dev/vda: 4096 bytes at (9445376|52424704)"):
            sender.first_pass(ALL)
    source.close()


def test_a_place_that_cannot_be_read_is_skipped_and_reported(image, receiver):
    source = FailingSource(image, BAD, OnReadError.SKIP)
    with Sender(receiver.peer, [source], options=QUICK) as sender:
        sender.connect()
        sender.first_pass(ALL)
        lost = sender.progress().disks[0].unreadable
    source.close()
    assert sum(item.length for item in lost) == 4096 + 12288
    wanted = bytearray(image.read_bytes())
    for bad in BAD:
        wanted[bad.offset : bad.end] = bytes(bad.length)
    receiver.kill(signal.SIGTERM)
    assert receiver.target.read_bytes() == wanted


@pytest.mark.needs("root", "loop", "nbdkit", "nbdfuse")
def test_a_device_that_fails_in_a_range(tmp_path, image, receiver):
    used = {0: [Range(0, 16 * MIB)]}
    with failing_device(tmp_path, image, at=BAD[0].offset) as device:
        source = Source(0, "/dev/vda", device, on_error=OnReadError.SKIP)
        with Sender(receiver.peer, [source], options=QUICK) as sender:
            sender.connect()
            sender.first_pass(used)
            lost = sender.progress().disks[0].unreadable
        source.close()
    assert lost == (Range(9 * MIB + 8192, 4096),)
    receiver.kill(signal.SIGTERM)
    wanted = bytearray(image.read_bytes()[: 16 * MIB])
    wanted[9 * MIB + 8192 : 9 * MIB + 12288] = bytes(4096)
    assert receiver.target.read_bytes()[: 16 * MIB] == wanted


def test_a_sender_needs_little_memory_whatever_the_size_of_the_disk(tmp_path):
    size = 1 << 37
    image = make_image(tmp_path / "image", 64 * MIB, holes=0)
    with image.open("r+b") as file:
        file.truncate(size)
    with Receiver(tmp_path / "notes", tmp_path / "target", size) as receiver:
        # All of it is used, as on a disk that holds nothing that is known.
        with sender_process(job(receiver, image)) as process:
            peaks = [(line, peak_bytes(process.pid) or 0) for line in process.stdout]
        assert "result" in peaks[-1][0]
        assert 0 < max(peak for _, peak in peaks) < 200_000_000
        compared = ["cmp", f"--bytes={64 * MIB}", str(image), str(receiver.target)]
        subprocess.run(compared, check=True)


def peak_bytes(pid):
    """None once it has ended."""
    with contextlib.suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
    return None


def cached_bytes(path):
    return int(subprocess.check_output(["fincore", "-b", "-n", "-o", "RES", path]))


@pytest.mark.needs("fincore")
def test_the_sources_page_cache_is_left_as_it_is(image, receiver):
    with image.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        file.read(2 * MIB)
    before = cached_bytes(image)
    if before > SIZE / 2:
        pytest.skip("this file system keeps its files in memory")
    with sending(receiver.peer, image) as sender:
        sender.first_pass(ALL)
        assert sender.verify(ALL) == {}
    assert cached_bytes(image) <= before + MIB


def test_a_file_that_is_cached_is_read_from_there_also_if_it_is_in_many_pieces(tmp_path):
    """Where so many pieces lie takes blocks, too, which count as the file's and are not cached."""
    path = tmp_path / "scattered"
    with path.open("wb") as file:
        for number in range(2000):
            file.seek(number * 2 * PAGE)
            file.write(os.urandom(PAGE))
        os.fsync(file.fileno())  # what was written is in the cache, and the holes are not
    file = BlockFile(path)
    view, before = AlignedBuffer(PAGE).view, read_from_disks()
    try:
        for number in range(2000):
            file.read_into(view, number * 2 * PAGE)
    finally:
        file.close()
    assert read_from_disks() - before < 100 * PAGE


def read_from_disks():
    """Bytes that this process had read."""
    said = Path("/proc/self/io").read_text()
    return int(said.split("\nread_bytes:")[1].split()[0])


def test_no_clock_that_may_jump_is_looked_at():
    """Time stands, leaps and goes back on machines that are migrated: waits must not."""
    root = Path(__file__).parents[2] / "src" / "rehost"
    files = [
        *(root / "receiver").glob("*.py"),
        *(root / "contract" / name for name in ("channel.py", "frames.py", "client.py")),
        *(
            root / "stages" / "replicate" / f"{name}.py"
            for name in ("control", "courtesy", "lane", "link", "progress", "compression")
        ),
    ]
    assert [f.name for f in files if re.search(r"\btime\.time\(", f.read_text())] == []
