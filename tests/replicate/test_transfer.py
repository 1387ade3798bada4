import contextlib
import random
import subprocess
import sys
from dataclasses import replace

import pytest

from rehost.contract.retry import Backoff
from rehost.contract.transfer import agent_name, receiver_name
from rehost.errors import BadConfiguration
from rehost.model.ranges import Range
from rehost.model.task import Priority
from rehost.stages.replicate.link import Peer
from rehost.stages.replicate.sender import Options, Sender
from rehost.stages.replicate.source import Source
from rehost.stream_errors import (
    PeerNotTrusted,
    ReceiverUnreachable,
    SessionSuperseded,
    StreamError,
    TargetTooSmall,
    WrongTask,
)
from tests.replicate.certificates import Authority
from tests.replicate.rig import MIB, TASK, Receiver, make_image

SIZE = 24 * MIB + 512 * 3
QUICK = Options(
    priority=Priority.HIGH, stall_s=5, backoff=Backoff(base_s=0.05, cap_s=0.5, attempts=8)
)
ALL = {0: [Range(0, SIZE)]}


@contextlib.contextmanager
def sending(peer, image, options=QUICK):
    source = Source(0, "/dev/vda", image)
    try:
        with Sender(peer, [source], options=options) as sender:
            sender.connect()
            yield sender
    finally:
        source.close()


@pytest.fixture
def image(tmp_path):
    return make_image(tmp_path / "source", SIZE)


@pytest.fixture
def receiver(tmp_path):
    with Receiver(tmp_path / "notes", tmp_path / "target", SIZE) as receiver:
        yield receiver


def test_a_disk_arrives_whole(image, receiver):
    with sending(receiver.peer, image) as sender:
        sender.first_pass(ALL)
        progress = sender.progress()
        assert progress.done == progress.total == SIZE
        assert sender.verify(ALL) == {}
    assert receiver.target.read_bytes() == image.read_bytes()


def test_zeros_land_as_holes(tmp_path):
    image = tmp_path / "source"
    image.write_bytes(bytes(8 * MIB) + b"x" * 4096 + bytes(8 * MIB))
    size = image.stat().st_size
    with Receiver(tmp_path / "notes", tmp_path / "target", size) as receiver:
        receiver.target.write_bytes(b"\xff" * size)
        with sending(receiver.peer, image) as sender:
            sender.first_pass({0: [Range(0, size)]})
    assert receiver.target.read_bytes() == image.read_bytes()
    assert receiver.target.stat().st_blocks * 512 <= MIB + 4096


def test_only_the_ranges_that_are_used_are_sent(image, receiver):
    used = [Range(4096, 4096), Range(3 * MIB - 512, 2 * MIB), Range(20 * MIB, 512)]
    with sending(receiver.peer, image) as sender:
        sender.first_pass({0: used})
        assert sender.verify({0: used}) == {}
    source, target = image.read_bytes(), receiver.target.read_bytes()
    for item in used:
        assert target[item.offset : item.end] == source[item.offset : item.end]
    assert not any(target[8 * MIB : 20 * MIB])


def test_what_was_never_sent_is_not_compared(image, receiver):
    first, later = Range(0, 64 << 10), Range(128 << 10, 64 << 10)
    with sending(receiver.peer, image) as sender:
        sender.first_pass({0: [first]})
        sender.send({0: [later]})
        assert sender.verify({0: [first, later]}) == {}
    assert not any(receiver.target.read_bytes()[64 << 10 : 128 << 10])


def test_a_later_pass_sends_what_is_named_as_it_is_then(image, receiver):
    with sending(receiver.peer, image) as sender:
        sender.first_pass(ALL)
        with image.open("r+b") as file:
            file.seek(5 * MIB + 65536)
            file.write(b"changed" * 1000)
        sender.send({0: [Range(5 * MIB + 65536, 65536)]})
        assert sender.verify(ALL) == {}
        assert sender.progress().disks[0].sent <= SIZE + 65536
    assert receiver.target.read_bytes() == image.read_bytes()


def test_what_lies_scattered_is_read_together_and_sent_as_it_is_then(image, receiver):
    draw = random.Random(7)
    places = sorted(draw.sample(range(0, SIZE, 64 << 10), 100))
    with sending(receiver.peer, image) as sender:
        sender.first_pass(ALL)
        with image.open("r+b") as file:
            for place in places:
                file.seek(place + draw.randrange(60 << 10))
                file.write(draw.randbytes(draw.choice((1, 512, 4000))))
        receiver.kill()
        receiver.start()  # so that it has to connect again in the midst of it
        sender.send({0: [Range(place, 64 << 10) for place in places]})
        assert sender.verify(ALL) == {}
    assert receiver.target.read_bytes() == image.read_bytes()


def test_verification_names_what_differs(image, receiver):
    with sending(receiver.peer, image) as sender:
        sender.first_pass(ALL)
        with receiver.target.open("r+b") as file:
            file.seek(7 * MIB + 100)
            file.write(b"flipped")
        differing = sender.verify(ALL)
        [found] = differing[0]
        assert found.offset <= 7 * MIB + 100 < found.end <= 8 * MIB
        sender.send(differing)
        assert sender.verify(ALL) == {}


def test_a_new_sender_sends_only_what_differs(image, receiver):
    with sending(receiver.peer, image) as sender:
        sender.first_pass(ALL)
    with image.open("r+b") as file:
        file.seek(9 * MIB)
        file.write(b"another")
    with sending(receiver.peer, image) as sender:
        sender.first_pass(ALL)
        assert sender.progress().disks[0].sent <= MIB
        assert sender.progress().done == SIZE
    assert receiver.target.read_bytes() == image.read_bytes()


def test_a_receiver_knows_after_its_end_what_it_has(image, receiver):
    with sending(receiver.peer, image) as sender:
        sender.first_pass(ALL)
    receiver.kill()
    receiver.start()
    with sending(receiver.peer, image) as sender:
        sender.first_pass(ALL)
        assert sender.progress().disks[0].sent == 0


def test_notes_of_a_target_that_was_made_anew_are_not_believed(image, receiver):
    with sending(receiver.peer, image) as sender:
        sender.first_pass(ALL)
    receiver.kill()
    receiver.target.unlink()
    with receiver.target.open("wb") as file:
        file.truncate(SIZE)
    receiver.start()
    with sending(receiver.peer, image) as sender:
        sender.first_pass(ALL)
    assert receiver.target.read_bytes() == image.read_bytes()


def test_another_task_is_refused(image, receiver):
    other = "6a1f7a3e-2f6c-4d0e-9f0c-0d8c7c1e5a02"
    tls = receiver.authority.issue(agent_name(other))
    peer = Peer(task_id=TASK, host="127.0.0.1", port=receiver.port, tls=tls)
    with pytest.raises(StreamError), sending(peer, image):
        pass
    peer = Peer(task_id=other, host="127.0.0.1", port=receiver.port, tls=receiver.agent)
    with pytest.raises(PeerNotTrusted), sending(peer, image):
        pass
    assert not any(receiver.target.read_bytes())


def test_another_run_of_the_task_is_refused(image, receiver):
    tls = receiver.authority.issue(agent_name(TASK, 1))
    peer = Peer(task_id=TASK, host="127.0.0.1", port=receiver.port, tls=tls)
    with pytest.raises(PeerNotTrusted), sending(peer, image):
        pass


def test_another_authority_is_refused(image, receiver):
    tls = Authority().issue(agent_name(TASK))
    peer = Peer(task_id=TASK, host="127.0.0.1", port=receiver.port, tls=tls)
    with pytest.raises(PeerNotTrusted), sending(peer, image):
        pass


def test_a_receiver_cannot_pose_as_an_agent(image, receiver):
    tls = receiver.authority.issue(receiver_name(TASK))
    peer = Peer(task_id=TASK, host="127.0.0.1", port=receiver.port, tls=tls)
    with pytest.raises(PeerNotTrusted), sending(peer, image):
        pass


@pytest.mark.needs("ipv6")
@pytest.mark.parametrize(("host", "ipv6"), [("127.0.0.1", False), ("::1", True), ("::1", False)])
def test_a_receiver_everywhere_is_reached_by_both_kinds_of_addresses(image, tmp_path, host, ipv6):
    with Receiver(tmp_path / "notes", tmp_path / "target", SIZE, host="::") as receiver:
        peer = replace(receiver.peer, host=host, ipv6=ipv6)
        with sending(peer, image) as sender:
            sender.first_pass(ALL)
    assert receiver.target.read_bytes() == image.read_bytes()


@pytest.mark.needs("ipv6")
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_what_is_to_go_by_ipv6_goes_by_nothing_else(image, receiver, host):
    peer = replace(receiver.peer, host=host, ipv6=True)
    with pytest.raises(ReceiverUnreachable, match="by IPv6"), sending(peer, image):
        pass
    assert not any(receiver.target.read_bytes())


def test_without_tls_on_loopback(image, tmp_path):
    with Receiver(tmp_path / "notes", tmp_path / "target", SIZE, tls=False) as receiver:
        with sending(receiver.peer, image) as sender:
            sender.first_pass(ALL)
        assert receiver.target.read_bytes() == image.read_bytes()
        other = Peer(task_id="other", host="127.0.0.1", port=receiver.port, tls=None)
        with pytest.raises(WrongTask), sending(other, image):
            pass


def test_nothing_is_sent_to_another_machine_without_tls(image):
    with (
        pytest.raises(BadConfiguration, match="without TLS"),
        sending(Peer(task_id=TASK, host="192.0.2.1", port=1, tls=None), image),
    ):
        pass


def test_a_newer_sender_ends_the_older(image, receiver):
    with sending(receiver.peer, image) as older:
        older.first_pass(ALL)
        with sending(receiver.peer, image) as newer:
            with pytest.raises(SessionSuperseded):
                older.send(ALL)
            newer.first_pass(ALL)


def test_a_target_that_is_too_small_is_refused(tmp_path, image):
    with (
        Receiver(tmp_path / "notes", tmp_path / "target", SIZE - MIB) as receiver,
        pytest.raises(TargetTooSmall),
        sending(receiver.peer, image),
    ):
        pass


def test_there_is_one_receiver_of_a_task(tmp_path, receiver):
    again = [sys.executable, "-m", "rehost.receiver", receiver.folder / "config.json"]
    done = subprocess.run(again, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "REHOST.7010" in done.stderr


def test_there_is_one_receiver_of_a_disk(tmp_path, receiver):
    other = Receiver(tmp_path / "other", receiver.target, SIZE)
    with pytest.raises(AssertionError, match=r"REHOST\.7010"):
        other.start()
    other.kill()
