"""The block stream's frames: bytes to values and back. docs/formats/stream.md is the authority.

Pure: no sockets, no disks. Whatever the bytes, the worst that happens is BadFrame or
VersionRefused, and nothing is made that is larger than what came.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from rehost.stream_errors import BadFrame, VersionRefused

VERSION = 1
MAGIC = b"REHOSTBS"
BLOCK = 1 << 20  # of data in one frame at most, and what a receiver notes as one
SECTOR = 512
DIGEST_SIZE = 32
MAX_TASK_ID = 64
MAX_DISKS = 256
MAX_ASKED = 256  # ranges in one question
MAX_CODE = 32
MAX_MESSAGE = 2048

Bytes: TypeAlias = bytes | bytearray | memoryview


class Type(IntEnum):
    HELLO = 1
    WELCOME = 2
    DATA = 3
    ZERO = 4
    DISCARD = 5
    FLUSH = 6
    FLUSHED = 7
    ASK = 8
    ANSWER = 9
    FINISH = 10
    FINISHED = 11
    ERROR = 12


class Codec(IntEnum):
    RAW = 0
    ZSTD = 1


class Question(IntEnum):
    """NOTED may be answered from the receiver's notes; READ is answered from the disk itself."""

    NOTED = 0
    READ = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The first 8 bytes of each frame: `length` is of what follows them."""

    type: Type
    disk: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """`session` is 16 bytes that a sender draws as it starts; its connections count from 0."""

    session: bytes
    connection: int
    task_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedDisk:
    id: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """`store` names the receiver's notes: while it is the same, what was acknowledged is there.

    `empty` says that nothing is noted yet, so there is nothing to ask for.
    """

    store: bytes
    empty: bool
    connections: int
    disks: tuple[OfferedDisk, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """All of a data frame but its payload, whose length is `payload`. `digest` is of raw bytes."""

    disk: int
    offset: int
    length: int
    codec: Codec
    digest: bytes
    payload: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Zero:
    disk: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Discard:
    """Nobody will ask what is in this range."""

    disk: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Flush:
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Flushed:
    """All that came on this connection before the flush of this number is durably there."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """`ranges` are (offset, length), each of at most BLOCK bytes."""

    disk: int
    question: Question
    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A digest for each range asked for, in that order; None where nothing was ever written."""

    digests: tuple[bytes | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """The sender has no more for this connection. Answered like a flush; then both close."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why this end closes the connection; `code` is of rehost.stream_errors."""

    code: str
    message: str


Frame: TypeAlias = (
    Hello | Welcome | Zero | Discard | Flush | Flushed | Ask | Answer | Finish | Finished | Failure
)

_HEAD = struct.Struct(">BBHI")
_DATA = struct.Struct(">QIB3x32s")
_RANGE = struct.Struct(">QQ")
_NUMBER = struct.Struct(">Q")
_HELLO = struct.Struct(">8sHH16sB")
_WELCOME = struct.Struct(">8sHH16sBBH")
_DISK = struct.Struct(">H6xQ")
_ASK = struct.Struct(">BxH")
_ASKED = struct.Struct(">QI")
_ANSWERED = struct.Struct(">B32s")
_FAILURE = struct.Struct(">BH")

HEAD_SIZE = _HEAD.size
DATA_SIZE = _DATA.size
DATA_OVERHEAD = HEAD_SIZE + DATA_SIZE
_NOTHING = bytes(DIGEST_SIZE)

# The shortest and longest that may follow the head of each type.
_LENGTHS: dict[Type, tuple[int, int]] = {
    Type.HELLO: (_HELLO.size + 1, _HELLO.size + MAX_TASK_ID),
    Type.WELCOME: (_WELCOME.size, _WELCOME.size + MAX_DISKS * _DISK.size),
    Type.DATA: (DATA_SIZE + 1, DATA_SIZE + BLOCK),
    Type.ZERO: (_RANGE.size, _RANGE.size),
    Type.DISCARD: (_RANGE.size, _RANGE.size),
    Type.FLUSH: (_NUMBER.size, _NUMBER.size),
    Type.FLUSHED: (_NUMBER.size, _NUMBER.size),
    Type.ASK: (_ASK.size + _ASKED.size, _ASK.size + MAX_ASKED * _ASKED.size),
    Type.ANSWER: (_ANSWERED.size, MAX_ASKED * _ANSWERED.size),
    Type.FINISH: (_NUMBER.size, _NUMBER.size),
    Type.FINISHED: (_NUMBER.size, _NUMBER.size),
    Type.ERROR: (_FAILURE.size, _FAILURE.size + MAX_CODE + MAX_MESSAGE),
}
MAX_SMALL = max(high for kind, (_, high) in _LENGTHS.items() if kind is not Type.DATA)


def parse_head(content: Bytes) -> Head:
    """Exactly HEAD_SIZE bytes. What it says of the length can be relied on: BadFrame else."""
    kind, flags, disk, length = _HEAD.unpack(content)
    try:
        known = Type(kind)
    except ValueError:
        raise BadFrame(f"the other end sent a frame of unknown type {kind}") from None
    if flags:
        raise BadFrame(f"the other end sent a frame with unknown flags {flags:#x}")
    shortest, longest = _LENGTHS[known]
    if not shortest <= length <= longest:
        raise BadFrame(f"the other end sent a {known.name} frame of {length} bytes")
    return Head(type=known, disk=disk, length=length)


def parse_data(head: Head, content: Bytes) -> Data:
    """`content` is the DATA_SIZE bytes after the head; the payload follows them."""
    offset, length, codec, digest = _DATA.unpack(content)
    payload = head.length - DATA_SIZE
    if codec not in (Codec.RAW, Codec.ZSTD):
        raise BadFrame(f"the other end sent data in unknown codec {codec}")
    if not 0 < length <= BLOCK or offset % BLOCK + length > BLOCK:
        raise BadFrame(f"the other end sent {length} bytes of data for offset {offset}")
    if payload != length if codec == Codec.RAW else payload >= length:
        raise BadFrame(f"the other end sent {length} bytes of data as {payload}")
    return Data(
        disk=head.disk,
        offset=offset,
        length=length,
        codec=Codec(codec),
        digest=digest,
        payload=payload,
    )


def put_data(out: memoryview, data: Data) -> None:
    """Write the DATA_OVERHEAD bytes that go before the payload."""
    _HEAD.pack_into(out, 0, Type.DATA, 0, data.disk, DATA_SIZE + data.payload)
    _DATA.pack_into(out, HEAD_SIZE, data.offset, data.length, data.codec, data.digest)


def parse(head: Head, body: Bytes) -> Frame:
    """Any frame but data. `body` is the head's `length` bytes."""
    if head.type is Type.DATA:
        raise BadFrame("the other end sent data where none belongs")
    if head.disk and head.type not in _ABOUT_A_DISK:
        raise BadFrame(f"the other end sent a {head.type.name} frame that names a disk")
    return _PARSERS[head.type](head, bytes(body))


def encode(frame: Frame) -> bytes:
    """Any frame but data, whole."""
    kind, disk, body = _encoded(frame)
    return _HEAD.pack(kind, 0, disk, len(body)) + body


def _encoded(frame: Frame) -> tuple[Type, int, bytes]:
    match frame:
        case Zero():
            return Type.ZERO, frame.disk, _RANGE.pack(frame.offset, frame.length)
        case Discard():
            return Type.DISCARD, frame.disk, _RANGE.pack(frame.offset, frame.length)
        case Ask():
            start = _ASK.pack(frame.question, len(frame.ranges))
            ranges = b"".join(_ASKED.pack(*asked) for asked in frame.ranges)
            return Type.ASK, frame.disk, start + ranges
        case Answer():
            return Type.ANSWER, 0, b"".join(map(_answered, frame.digests))
        case Flush() | Flushed() | Finish() | Finished():
            return _NUMBERED[type(frame)], 0, _NUMBER.pack(frame.number)
        case Hello() | Welcome() | Failure():
            return _encoded_once(frame)


def _encoded_once(frame: Hello | Welcome | Failure) -> tuple[Type, int, bytes]:
    match frame:
        case Hello():
            task = frame.task_id.encode("ascii")
            start = (MAGIC, VERSION, frame.connection, frame.session, len(task))
            return Type.HELLO, 0, _HELLO.pack(*start) + task
        case Welcome():
            offer = (frame.connections, frame.store, frame.empty, 0, len(frame.disks))
            disks = b"".join(_DISK.pack(disk.id, disk.size) for disk in frame.disks)
            return Type.WELCOME, 0, _WELCOME.pack(MAGIC, VERSION, *offer) + disks
        case Failure():
            code = frame.code.encode("ascii", "replace")[:MAX_CODE]
            message = frame.message.encode()[:MAX_MESSAGE].decode(errors="ignore").encode()
            return Type.ERROR, 0, _FAILURE.pack(len(code), len(message)) + code + message


def _answered(digest: bytes | None) -> bytes:
    return _ANSWERED.pack(digest is not None, digest or _NOTHING)


def _hello(_: Head, body: bytes) -> Hello:
    magic, version, connection, session, length = _HELLO.unpack_from(body)
    _check_version(magic, version)
    return Hello(
        session=session,
        connection=connection,
        task_id=_text(_exactly(body, _HELLO.size, length)),
    )


def _welcome(_: Head, body: bytes) -> Welcome:
    magic, version, connections, store, empty, _reserved, count = _WELCOME.unpack_from(body)
    _check_version(magic, version)
    disks = _exactly(body, _WELCOME.size, count * _DISK.size)
    return Welcome(
        store=store,
        empty=_flag(empty),
        connections=connections,
        disks=tuple(OfferedDisk(id=id_, size=size) for id_, size in _DISK.iter_unpack(disks)),
    )


def _zero(head: Head, body: bytes) -> Zero:
    offset, length = _extent(body)
    return Zero(disk=head.disk, offset=offset, length=length)


def _discard(head: Head, body: bytes) -> Discard:
    offset, length = _extent(body)
    return Discard(disk=head.disk, offset=offset, length=length)


def _extent(body: bytes) -> tuple[int, int]:
    offset, length = _RANGE.unpack(body)
    if not length or offset + length > 1 << 63:
        raise BadFrame(f"the other end named {length} bytes at {offset}")
    return offset, length


def _ask(head: Head, body: bytes) -> Ask:
    question, count = _ASK.unpack_from(body)
    if question not in (Question.NOTED, Question.READ):
        raise BadFrame(f"the other end asked an unknown question {question}")
    ranges = tuple(_ASKED.iter_unpack(_exactly(body, _ASK.size, count * _ASKED.size)))
    if bad := next((r for r in ranges if not 0 < r[1] <= BLOCK or _crosses(*r)), None):
        raise BadFrame(f"the other end asked for {bad[1]} bytes at {bad[0]}")
    return Ask(disk=head.disk, question=Question(question), ranges=ranges)


def _crosses(offset: int, length: int) -> bool:
    return offset % BLOCK + length > BLOCK


def _answer(_: Head, body: bytes) -> Answer:
    if len(body) % _ANSWERED.size:
        raise BadFrame(f"the other end sent an answer of {len(body)} bytes")
    return Answer(
        digests=tuple(
            digest if _flag(there) else None for there, digest in _ANSWERED.iter_unpack(body)
        )
    )


def _failure(_: Head, body: bytes) -> Failure:
    code, message = _FAILURE.unpack_from(body)
    if code > MAX_CODE or message > MAX_MESSAGE:
        raise BadFrame(f"the other end sent an error of {code} and {message} bytes")
    texts = _exactly(body, _FAILURE.size, code + message)
    try:
        return Failure(code=_text(texts[:code]), message=texts[code:].decode())
    except UnicodeDecodeError:
        raise BadFrame("the other end sent a message that is not UTF-8") from None


def _number(kind: "type[Flush | Flushed | Finish | Finished]") -> Callable[[Head, bytes], Frame]:
    return lambda _, body: kind(number=_NUMBER.unpack(body)[0])


def _check_version(magic: bytes, version: int) -> None:
    if magic != MAGIC:
        raise BadFrame("the other end does not speak the block stream")
    if version != VERSION:
        raise VersionRefused(
            f"the other end speaks version {version} of the block stream, this one {VERSION}"
        )


def _exactly(body: bytes, at: int, length: int) -> bytes:
    if len(body) != at + length:
        raise BadFrame(f"a frame says {length} bytes follow, and {len(body) - at} do")
    return body[at:]


def _flag(value: int) -> bool:
    if value > 1:
        raise BadFrame(f"the other end sent {value} where 0 or 1 belongs")
    return bool(value)


def _text(content: bytes) -> str:
    try:
        return content.decode("ascii")
    except UnicodeDecodeError:
        raise BadFrame("the other end sent a name that is not ASCII") from None


_ABOUT_A_DISK = (Type.ZERO, Type.DISCARD, Type.ASK)
_NUMBERED: dict[type, Type] = {
    Flush: Type.FLUSH,
    Flushed: Type.FLUSHED,
    Finish: Type.FINISH,
    Finished: Type.FINISHED,
}
_PARSERS: dict[Type, Callable[[Head, bytes], Frame]] = {
    Type.HELLO: _hello,
    Type.WELCOME: _welcome,
    Type.ZERO: _zero,
    Type.DISCARD: _discard,
    Type.FLUSH: _number(Flush),
    Type.FLUSHED: _number(Flushed),
    Type.ASK: _ask,
    Type.ANSWER: _answer,
    Type.FINISH: _number(Finish),
    Type.FINISHED: _number(Finished),
    Type.ERROR: _failure,
}
