import re
from pathlib import Path

import pytest

from rehost.contract import frames
from rehost.contract.frames import (
    BLOCK,
    DATA_OVERHEAD,
    HEAD_SIZE,
    Answer,
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
    OfferedDisk,
    Question,
    Welcome,
    Zero,
)
from rehost.stream_errors import BadFrame, VersionRefused, from_code

VECTORS = Path(__file__).parents[1] / "data" / "stream-v1.txt"
DIGEST = bytes(range(32))
FRAMES: dict[str, frames.Frame] = {
    "hello": Hello(session=bytes(range(16)), connection=3, task_id="6a1f7a3e-2f6c"),
    "welcome": Welcome(
        store=bytes(range(16, 32)),
        empty=True,
        connections=8,
        disks=(OfferedDisk(id=0, size=3 << 30), OfferedDisk(id=7, size=512)),
    ),
    "zero": Zero(disk=1, offset=BLOCK, length=5 << 30),
    "discard": Discard(disk=2, offset=512, length=512),
    "flush": Flush(number=9),
    "flushed": Flushed(number=9),
    "ask": Ask(disk=1, question=Question.READ, ranges=((0, 4096), (BLOCK, BLOCK))),
    "answer": Answer(digests=(DIGEST, None)),
    "finish": Finish(number=10),
    "finished": Finished(number=10),
    "error": Failure(code="REHOST.7008", message="voll – kein Platz"),
}
DATA = Data(disk=1, offset=3 * BLOCK + 512, length=1024, codec=Codec.ZSTD, digest=DIGEST, payload=5)


def vectors() -> dict[str, bytes]:
    pairs = re.findall(r"^(\w+): ([0-9a-f ]+)$", VECTORS.read_text(), re.MULTILINE)
    return {name: bytes.fromhex(digits) for name, digits in pairs}


def parsed(content: bytes) -> frames.Frame:
    return frames.parse(frames.parse_head(content[:HEAD_SIZE]), content[HEAD_SIZE:])


def data_bytes(data: Data = DATA) -> bytes:
    out = bytearray(DATA_OVERHEAD)
    frames.put_data(memoryview(out), data)
    return bytes(out)


def test_there_is_a_vector_of_every_type():
    types = {content[0] for content in vectors().values()}
    assert types == set(frames.Type)


@pytest.mark.parametrize("name", FRAMES)
def test_frames_are_the_recorded_bytes(name):
    assert frames.encode(FRAMES[name]) == vectors()[name]
    assert parsed(vectors()[name]) == FRAMES[name]


def test_data_are_the_recorded_bytes():
    recorded = vectors()["data"]
    assert data_bytes() + b"zstd!" == recorded
    head = frames.parse_head(recorded[:HEAD_SIZE])
    assert frames.parse_data(head, recorded[HEAD_SIZE:DATA_OVERHEAD]) == DATA


@pytest.mark.parametrize("name", [*FRAMES, "data"])
def test_a_length_out_of_its_limits_is_refused_before_anything_is_read(name):
    content = bytearray(vectors()[name][:HEAD_SIZE])
    for length in (0, (1 << 32) - 1, BLOCK + DATA_OVERHEAD - HEAD_SIZE + 1):
        content[4:8] = length.to_bytes(4, "big")
        with pytest.raises(BadFrame):
            frames.parse_head(bytes(content))


@pytest.mark.parametrize("place", [0, 1])
def test_unknown_types_and_flags_are_refused(place):
    content = bytearray(vectors()["flush"])
    content[place] = 77
    with pytest.raises(BadFrame):
        parsed(bytes(content))


def test_another_version_is_refused():
    content = bytearray(vectors()["hello"])
    content[HEAD_SIZE + 9] += 1
    with pytest.raises(VersionRefused, match="version 2 of the block stream, this one 1"):
        parsed(bytes(content))


@pytest.mark.parametrize(
    ("offset", "length", "codec", "payload"),
    [
        (0, 0, Codec.RAW, 1),
        (0, BLOCK + 1, Codec.RAW, BLOCK),
        (512, BLOCK, Codec.RAW, BLOCK),  # lies in two blocks
        (0, 4096, Codec.RAW, 4095),
        (0, 4096, Codec.ZSTD, 4096),
        (0, 4096, 2, 4096),
    ],
)
def test_data_that_contradict_themselves_are_refused(offset, length, codec, payload):
    content = data_bytes(
        Data(disk=0, offset=offset, length=length, codec=codec, digest=DIGEST, payload=payload)
    )
    head = frames.parse_head(content[:HEAD_SIZE])
    with pytest.raises(BadFrame):
        frames.parse_data(head, content[HEAD_SIZE:])


@pytest.mark.parametrize("name", ["hello", "welcome", "ask", "answer", "error"])
@pytest.mark.parametrize("change", [-1, 1])
def test_a_count_that_does_not_fit_the_length_is_refused(name, change):
    content = bytearray(vectors()[name])
    content += bytes(1) if change > 0 else b""
    content = content[: len(content) + min(change, 0)]
    content[4:8] = (len(content) - HEAD_SIZE).to_bytes(4, "big")
    with pytest.raises(BadFrame):
        parsed(bytes(content))


def test_a_range_beyond_all_disks_is_refused():
    content = frames.encode(Zero(disk=0, offset=(1 << 64) - 512, length=512))
    with pytest.raises(BadFrame):
        parsed(content)


@pytest.mark.parametrize(
    ("code", "message"), [(b"REHOST.7000", b"x" * 2067), (b"R" * 33, b"x"), (b"R", b"\xff")]
)
def test_errors_that_are_too_long_or_no_text_are_refused(code, message):
    body = bytes([len(code)]) + len(message).to_bytes(2, "big") + code + message
    head = bytes([frames.Type.ERROR, 0, 0, 0]) + len(body).to_bytes(4, "big")
    with pytest.raises(BadFrame):
        parsed(head + body)


def test_a_long_message_is_cut_to_what_a_frame_takes():
    failure = parsed(frames.encode(Failure(code="REHOST.7000", message="ß" * 5000)))
    assert failure == Failure(code="REHOST.7000", message="ß" * 1024)


def test_what_the_other_end_tells_is_raised_as_the_same_error():
    error = from_code("REHOST.7001", "no")
    assert (type(error), str(error)) == (BadFrame, "no")
    assert str(from_code("REHOST.7999", "new")) == "REHOST.7999: new"
