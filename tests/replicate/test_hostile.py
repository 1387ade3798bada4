"""A peer that has a certificate, or is on loopback without TLS, and means harm."""

import contextlib
import hashlib
import os
import socket
import struct
import time
from pathlib import Path

import pytest
from backports import zstd
from blake3 import blake3

from rehost.contract import frames
from rehost.contract.channel import Channel
from rehost.contract.frames import (
    BLOCK,
    DATA_OVERHEAD,
    HEAD_SIZE,
    Ask,
    Codec,
    Data,
    Discard,
    Failure,
    Finish,
    Finished,
    Flush,
    Flushed,
    Hello,
    Question,
    Welcome,
    Zero,
)
from rehost.contract.transfer import agent_name
from rehost.model.ranges import Range
from rehost.stages.replicate.control import Control
from rehost.stages.replicate.link import Link, Peer
from rehost.stream_errors import ConnectionLost, StreamError
from tests.replicate.rig import MIB, TASK, Receiver
from tests.replicate.test_transfer import ALL, SIZE, image, sending

__all__ = ["image"]
MEMORY_KIB = 150_000_000 // 1024
HELLO = Hello(session=bytes(16), connection=0, task_id=TASK)


@pytest.fixture
def receiver(tmp_path):
    with Receiver(tmp_path / "notes", tmp_path / "target", SIZE, tls=False) as receiver:
        yield receiver


@contextlib.contextmanager
def connected(receiver):
    with socket.create_connection(("127.0.0.1", receiver.port)) as sock:
        channel = Channel(sock, stall_s=20)
        try:
            yield channel
        finally:
            channel.close()


@contextlib.contextmanager
def greeted(receiver, *, connection=0):
    link = Link(receiver.peer, Control())
    channel, _ = link.connect(connection)
    try:
        yield channel
    finally:
        channel.close()


def data(content, *, disk=0, offset=0, length=None, codec=Codec.RAW, payload=None, digest=None):
    payload = content if payload is None else payload
    out = bytearray(DATA_OVERHEAD)
    fields = Data(
        disk=disk,
        offset=offset,
        length=length or len(content),
        codec=codec,
        digest=digest or blake3(content).digest(),
        payload=len(payload),
    )
    frames.put_data(memoryview(out), fields)
    return bytes(out) + payload


def refusal(channel):
    with contextlib.suppress(ConnectionLost):
        while not isinstance(frame := channel.receive_frame(), Failure):
            assert isinstance(frame, Welcome | Flushed)
        return frame.code
    return "closed"


def digest_of(receiver):
    return hashlib.sha256(receiver.target.read_bytes()).hexdigest()


def still_works(receiver, image):
    with sending(receiver.peer, image) as sender:
        sender.first_pass(ALL)
    return receiver.target.read_bytes() == image.read_bytes()


ZEROS = bytes(4096)
BAD_FRAMES = {
    "garbage": (os.urandom(4096), "REHOST.7001"),
    "http": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "REHOST.7001"),
    "huge length": (struct.pack(">BBHI", 3, 0, 0, 0xFFFFFFFF), "REHOST.7001"),
    "beyond the end": (data(ZEROS, offset=(SIZE // BLOCK + 1) * BLOCK), "REHOST.7006"),
    "over the end": (data(ZEROS, offset=SIZE - 512), "REHOST.7006"),
    "far beyond": (data(ZEROS, offset=(1 << 63) - BLOCK), "REHOST.7006"),
    "between sectors": (data(ZEROS, offset=100), "REHOST.7006"),
    "another disk": (data(ZEROS, disk=1), "REHOST.7006"),
    "zeros beyond": (frames.encode(Zero(disk=0, offset=0, length=SIZE + 512)), "REHOST.7006"),
    "discard beyond": (frames.encode(Discard(disk=0, offset=SIZE, length=512)), "REHOST.7006"),
    "discard elsewhere": (frames.encode(Discard(disk=9, offset=0, length=512)), "REHOST.7006"),
    "ask beyond": (
        frames.encode(Ask(disk=0, question=Question.READ, ranges=((1 << 40, 512),))),
        "REHOST.7006",
    ),
    "wrong digest": (data(b"x" * 4096, digest=bytes(32)), "REHOST.7007"),
    "no zstd": (data(ZEROS, codec=Codec.ZSTD, payload=b"rubbish"), "REHOST.7007"),
    "zstd of less": (
        data(ZEROS, codec=Codec.ZSTD, payload=zstd.compress(bytes(512))),
        "REHOST.7007",
    ),
    "zstd bomb": (
        data(ZEROS, codec=Codec.ZSTD, payload=zstd.compress(bytes(1 << 30))[:4095]),
        "REHOST.7007",
    ),
    "zstd with a huge window": (
        data(
            bytes(BLOCK),
            codec=Codec.ZSTD,
            payload=bytes.fromhex("28b52ffd00a8") + bytes(20),
        ),
        "REHOST.7007",
    ),
    "a second greeting": (frames.encode(HELLO), "REHOST.7001"),
    "what receivers say": (frames.encode(Flushed(number=1)), "REHOST.7001"),
}


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_what_does_not_belong_there_is_refused_and_not_written(receiver, image, name):
    content, code = BAD_FRAMES[name]
    before = digest_of(receiver)
    with greeted(receiver) as channel:
        channel.send(memoryview(content))
        assert refusal(channel) == code
    assert digest_of(receiver) == before
    assert still_works(receiver, image)


@pytest.mark.parametrize(
    "content",
    [os.urandom(100), b"\x16\x03\x01" * 50, frames.encode(Flush(number=1)), data(ZEROS), b""],
)
def test_who_does_not_greet_is_refused(receiver, image, content):
    with connected(receiver) as channel:
        channel.send(memoryview(content))
        channel.socket.shutdown(socket.SHUT_WR)
        assert refusal(channel) in ("REHOST.7001", "closed")
    assert still_works(receiver, image)


def test_a_stranger_who_drips_is_dropped(receiver):
    with connected(receiver) as channel:
        sent = 0
        with contextlib.suppress(StreamError):
            for byte in frames.encode(HELLO):
                channel.send(memoryview(bytes([byte])))
                sent += 1
                time.sleep(1)
                if channel.has_input():
                    break
    assert sent < HEAD_SIZE + 12


def test_strangers_do_not_keep_the_sender_out(receiver, image):
    with contextlib.ExitStack() as stack:
        for _ in range(24):
            stack.enter_context(socket.create_connection(("127.0.0.1", receiver.port)))
        assert still_works(receiver, image)


def test_strangers_who_come_and_go_leave_little_in_the_log(tmp_path):
    at_once = struct.pack("ii", 1, 0)  # SO_LINGER: close resets
    with Receiver(tmp_path / "notes", tmp_path / "target", SIZE) as receiver:
        for _ in range(300):
            with socket.create_connection(("127.0.0.1", receiver.port)) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        with connected(receiver) as channel:
            channel.send(memoryview(b"no TLS at all, but enough to be heard"))
    assert "Traceback" not in receiver.log()
    assert len(receiver.log().splitlines()) < 20


def test_what_is_replayed_changes_nothing(receiver, image):
    stream = data(b"old!" * 1024) + frames.encode(Flush(number=1))
    with greeted(receiver) as channel:
        channel.send(memoryview(stream))
        assert channel.receive_frame() == Flushed(number=1)
    whole = frames.encode(HELLO) + stream
    assert still_works(receiver, image)
    with connected(receiver) as channel:
        channel.send(memoryview(whole))
        channel.receive_frame()
    # A session that is over by now cannot come back.
    with sending(receiver.peer, image) as sender:
        sender.first_pass(ALL)
        with connected(receiver) as channel:
            channel.send(memoryview(whole))
            assert refusal(channel) == "REHOST.7004"
        assert sender.verify(ALL) == {}


def test_memory_is_bounded_whatever_comes(receiver):
    with contextlib.ExitStack() as stack:
        channels = [
            stack.enter_context(greeted_in_one_session(receiver, number)) for number in range(8)
        ]
        block = os.urandom(BLOCK)
        stream = memoryview(b"".join(data(block, offset=at * BLOCK) for at in range(8)))
        for _ in range(3):
            for channel in channels:
                channel.send(stream)
                channel.send_frame(Flush(number=1))
                assert isinstance(channel.receive_frame(), Flushed)
                ranges = tuple((at * BLOCK, BLOCK) for at in range(24)) * 3
                channel.send_frame(Ask(disk=0, question=Question.READ, ranges=ranges))
                assert channel.receive_frame()
        assert peak_kib(receiver) < MEMORY_KIB


def greeted_in_one_session(receiver, number):
    @contextlib.contextmanager
    def greeting():
        with connected(receiver) as channel:
            channel.send_frame(Hello(session=b"s" * 16, connection=number, task_id=TASK))
            assert isinstance(channel.receive_frame(), Welcome)
            yield channel

    return greeting()


def peak_kib(receiver):
    status = Path(f"/proc/{receiver.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def test_a_ninth_connection_is_refused(receiver):
    link = Link(receiver.peer, Control())
    with pytest.raises(StreamError, match="8 connections"):
        link.connect(8)


def test_zeros_over_all_of_a_huge_disk_cost_little(tmp_path):
    size = 1 << 37
    with (
        Receiver(tmp_path / "notes", tmp_path / "target", size, tls=False) as receiver,
        greeted(receiver) as channel,
    ):
        channel.send_frame(Zero(disk=0, offset=0, length=size))
        channel.send_frame(Discard(disk=0, offset=0, length=size))
        channel.send_frame(Finish(number=1))
        assert channel.receive_frame() == Finished(number=1)
        assert peak_kib(receiver) < MEMORY_KIB


def test_another_tasks_certificate_gets_no_welcome(tmp_path, image):
    with Receiver(tmp_path / "notes", tmp_path / "target", SIZE) as receiver:
        other = "6a1f7a3e-2f6c-4d0e-9f0c-0d8c7c1e5a99"
        tls = receiver.authority.issue(agent_name(other))
        peer = Peer(task_id=TASK, host="127.0.0.1", port=receiver.port, tls=tls)
        with pytest.raises(StreamError, match=other):
            Link(peer, Control()).connect(0)
        assert digest_of(receiver) == hashlib.sha256(bytes(SIZE)).hexdigest()
        with sending(receiver.peer, image) as sender:
            sender.first_pass({0: [Range(0, MIB)]})
