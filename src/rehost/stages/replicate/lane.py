"""One connection's share of a transfer: read, digest, pack, send; know what is durably there.

A piece is done when the receiver has acknowledged a flush that came after it. What was sent and
not acknowledged when a connection broke is asked for, and sent again where it did not arrive.
"""

import contextlib
import itertools
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rehost.contract.channel import Channel
from rehost.contract.digest import digest, digest_of_zeros
from rehost.contract.frames import (
    BLOCK,
    DATA_OVERHEAD,
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
    Frame,
    Question,
    Welcome,
    Zero,
    put_data,
)
from rehost.contract.retry import Backoff, retry
from rehost.errors import Error
from rehost.stages.replicate.compression import Compression
from rehost.stages.replicate.control import Control
from rehost.stages.replicate.courtesy import Courtesy
from rehost.stages.replicate.limits import Limits
from rehost.stages.replicate.link import Link
from rehost.stages.replicate.plan import Batch, Piece
from rehost.stages.replicate.progress import Tally
from rehost.stages.replicate.source import Source
from rehost.stream_errors import (
    BadFrame,
    ConnectionLost,
    StreamError,
    TargetReplaced,
    from_code,
)
from rehost.system.block_io import PAGE, AlignedBuffer

log = logging.getLogger(__name__)

T = TypeVar("T")
F = TypeVar("F", Answer, Finished)

FLUSH_BYTES = 64 << 20
FLUSH_S = 1.0
WINDOW = 4  # flushes that may be unanswered
_ASKED = 64
_ZERO_SIZE = 24
# What is read of a batch ahead, if it is small pieces: all of them at once.
_AHEAD = 4 * BLOCK
_SMALL = BLOCK // 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What all lanes of a transfer use."""

    link: Link
    sources: Mapping[int, Source]
    control: Control
    compression: Compression
    courtesy: Courtesy
    limits: Limits
    tally: Tally
    backoff: Backoff


@dataclass(frozen=True, slots=True)
class _Sent:
    piece: Piece
    digest: bytes


class Lane:
    """One thread's. What its methods do is durably on the target when they return; all of them
    connect anew where the connection breaks, and raise what that does not help against."""

    def __init__(self, number: int, shared: Shared) -> None:
        self.number = number
        self._shared = shared
        self._channel: Channel | None = None
        self._welcome = Welcome(store=b"", empty=True, connections=0, disks=())
        self._buffer = AlignedBuffer(BLOCK, front=DATA_OVERHEAD)
        self._ahead: dict[Piece, memoryview] = {}
        self._room: AlignedBuffer | None = None  # for what was read ahead
        self._unacknowledged: deque[_Sent | int] = deque()
        self._again: deque[_Sent] = deque()
        self._flushes = self._answered = 0
        self._unflushed = 0
        self._flushed_at = time.monotonic()

    def connect(self) -> Welcome:
        """What the receiver said when it was connected to."""
        return self._surely(lambda: self._welcome)

    def send(self, work: Iterable[Batch], *, compare: bool) -> None:
        """Send pieces; where `compare`, only those that the receiver has not as they are."""
        for batch in work:
            left = deque(batch)
            self._surely(lambda: self._send(left, compare=compare))  # noqa: B023
        self._surely(self._settle)

    def discard(self, extents: Iterable[Discard]) -> None:
        for extent in extents:
            self._surely(lambda: self._discard(extent))  # noqa: B023
        self._surely(self._settle)

    def verify(self, work: Iterable[Batch], is_over: Callable[[], bool]) -> list[Piece]:
        """The pieces that are not on the target as they are on the source.

        Once `is_over`, those that were found until then.
        """
        found: list[Piece] = []
        for batch in work:
            if is_over():
                break
            found += self._surely(lambda: self._differing(batch, is_over))  # noqa: B023
        return found

    def close(self, *, finish: bool) -> None:
        """With `finish`, what was sent and not acknowledged yet becomes durable if it can."""
        try:
            if finish and self._channel:
                self._flushes += 1
                self._channel.send_frame(Finish(number=self._flushes))
                self._hear_until(Finished)
        except StreamError as e:
            log.info("connection %d did not end well: %s", self.number, e)
        self._drop()

    def abort(self) -> None:
        """From any thread: what it does fails soon."""
        if channel := self._channel:
            channel.abort()

    def _surely(self, step: Callable[[], T]) -> T:
        shared = self._shared
        return retry(
            lambda: self._try(step),
            backoff=shared.backoff,
            wait=shared.control.wait,
            on_failure=self._failed,
        )

    def _try(self, step: Callable[[], T]) -> T:
        try:
            if self._channel is None:
                self._connect()
            return step()
        except ConnectionLost:
            self._hear_last_words()
            raise

    def _hear_last_words(self) -> None:
        """Raises what the receiver said before it closed, if anything."""
        with contextlib.suppress(ConnectionLost):
            while self._channel and self._channel.has_input():
                self._hear()

    def _failed(self, e: Error) -> None:
        self._shared.tally.trouble = str(e)
        log.warning("connection %d: %s", self.number, e)
        self._drop()

    def _drop(self) -> None:
        if self._channel:
            self._channel.close()
        self._channel = None
        self._ahead = {}
        self._again.extend(i for i in self._unacknowledged if isinstance(i, _Sent))
        self._unacknowledged.clear()
        self._answered, self._unflushed = self._flushes, 0

    def _connect(self) -> None:
        self._channel, welcome = self._shared.link.connect(self.number)
        if self._welcome.store not in (b"", welcome.store):
            raise TargetReplaced("the target's disks are not those that were written before")
        self._welcome = welcome
        while self._again:
            self._recover()

    def _recover(self) -> None:
        """Of what was sent on a connection that broke, some may have arrived."""
        disk = self._again[0].piece.disk
        group = [s for s in itertools.islice(self._again, _ASKED) if s.piece.disk == disk]
        asked = [sent for sent in group if not sent.piece.zero]
        known = dict(zip(asked, self._ask(Question.NOTED, [s.piece for s in asked]), strict=True))
        for sent in group:
            if known.get(sent) == sent.digest:
                self._shared.tally.done(disk, sent.piece.length)
            else:
                self._put(sent.piece)
            self._again.remove(sent)

    def _send(self, left: deque[Piece], *, compare: bool) -> None:
        asked = [piece for piece in left if not piece.zero] if compare else []
        known = dict(zip(asked, self._ask(Question.NOTED, asked), strict=True))
        self._read_ahead(left)
        while left:
            self._put(left[0], known.get(left[0]))
            left.popleft()

    def _put(self, piece: Piece, known: bytes | None = None) -> None:
        """Send it, unless the receiver has it; `known` is the digest of what it has."""
        self._shared.control.gate()
        found = self._digest(piece)
        if found == known:
            self._shared.tally.done(piece.disk, piece.length)
            return
        if found == digest_of_zeros(piece.length):
            self._channel_now.send_frame(_zeros(piece))
            self._shared.tally.sent(piece.disk, raw=0, wire=_ZERO_SIZE)
        else:
            self._put_data(piece, found)
        self._unacknowledged.append(_Sent(piece, found))
        self._unflushed += piece.length if not piece.zero else 0
        self._keep_flushing()

    def _put_data(self, piece: Piece, found: bytes) -> None:
        shared, channel = self._shared, self._channel_now
        codec, payload = shared.compression.pack(self._buffer.view[: piece.length])
        data = Data(
            disk=piece.disk,
            offset=piece.offset,
            length=piece.length,
            codec=codec,
            digest=found,
            payload=len(payload),
        )
        put_data(self._buffer.front, data)
        waited = channel.waited_s
        if codec is Codec.RAW:
            channel.send(self._buffer.with_front(piece.length))
        else:
            channel.send(self._buffer.front)
            channel.send(memoryview(payload))
        wire = DATA_OVERHEAD + len(payload)
        shared.tally.sent(piece.disk, raw=piece.length, wire=wire)
        shared.compression.sent(raw=piece.length, wire=wire, waited_s=channel.waited_s - waited)

    def _digest(self, piece: Piece) -> bytes:
        """Of what the source has there now; the buffer holds it then, unless it is zeros."""
        if piece.zero:
            return digest_of_zeros(piece.length)
        view = self._buffer.view[: piece.length]
        if (content := self._ahead.pop(piece, None)) is not None:
            view[:] = content
        else:
            self._shared.limits.before_read(piece.length)
            with self._shared.courtesy.reading():
                self._shared.sources[piece.disk].read(piece.offset, view)
        if self._buffer.is_zero(piece.length):
            return digest_of_zeros(piece.length)
        return digest(view)

    def _read_ahead(self, batch: Iterable[Piece]) -> None:
        """Counts as one read: together they are not more than a few of the largest."""
        self._ahead, room = {}, 0
        for piece in batch:
            if not piece.zero and piece.length <= _SMALL and room + piece.length <= _AHEAD:
                self._ahead[piece] = self._ahead_room(room, piece.length)
                room += -(-piece.length // PAGE) * PAGE
        if len(self._ahead) < 2:
            self._ahead = {}
            return
        self._shared.control.gate()
        self._shared.limits.before_read(sum(piece.length for piece in self._ahead))
        disk = next(iter(self._ahead)).disk
        with self._shared.courtesy.reading():
            places = [(piece.offset, view) for piece, view in self._ahead.items()]
            self._shared.sources[disk].read_all(places)

    def _ahead_room(self, at: int, length: int) -> memoryview:
        if self._room is None:
            self._room = AlignedBuffer(_AHEAD)
        return self._room.view[at : at + length]

    def _keep_flushing(self) -> None:
        if self._unflushed >= FLUSH_BYTES or time.monotonic() - self._flushed_at > FLUSH_S:
            self._flush()
        while self._channel_now.has_input() or self._flushes - self._answered > WINDOW:
            self._hear()

    def _flush(self) -> None:
        self._flushes += 1
        self._channel_now.send_frame(Flush(number=self._flushes))
        self._unacknowledged.append(self._flushes)
        self._unflushed, self._flushed_at = 0, time.monotonic()

    def _settle(self) -> None:
        if self._unacknowledged:
            self._flush()
        while self._answered < self._flushes:
            self._hear()

    def _discard(self, extent: Discard) -> None:
        # Nothing to remember: what is discarded may as well not be.
        self._channel_now.send_frame(extent)
        self._keep_flushing()

    def _differing(self, batch: Batch, is_over: Callable[[], bool]) -> list[Piece]:
        pieces = [part for piece in batch for part in _blocks(piece)]
        found: list[Piece] = []

        def goes_on(_: Piece) -> bool:
            return not is_over()

        for at in range(0, len(pieces), _ASKED):
            if is_over():
                break
            group = pieces[at : at + _ASKED]
            self._shared.control.gate()
            self._channel_now.send_frame(_question(Question.READ, group))
            # While the receiver reads, too. What it answers is heard in any case.
            own = [self._digest(piece) for piece in itertools.takewhile(goes_on, group)]
            there = list(zip(group, self._hear_until(Answer).digests, strict=True))
            found += [p for a, (p, b) in zip(own, there, strict=False) if a != b]
            self._shared.tally.compared(sum(piece.length for piece in group[: len(own)]))
        return found

    def _ask(self, question: Question, pieces: Sequence[Piece]) -> tuple[bytes | None, ...]:
        if not pieces:
            return ()
        self._channel_now.send_frame(_question(question, pieces))
        digests = self._hear_until(Answer).digests
        if len(digests) != len(pieces):
            raise BadFrame(f"the receiver answers {len(digests)} of {len(pieces)} questions")
        return digests

    def _hear_until(self, kind: type[F]) -> F:
        while True:
            frame = self._hear()
            if isinstance(frame, kind):
                return frame

    def _hear(self) -> Frame:
        """The receiver's next frame; what it acknowledges is done."""
        frame = self._channel_now.receive_frame()
        match frame:
            case Flushed() | Finished():
                self._acknowledge(frame.number)
            case Failure():
                raise from_code(frame.code, frame.message)
            case Answer():
                pass
            case _:
                raise BadFrame(f"the receiver sends a {type(frame).__name__}")
        return frame

    def _acknowledge(self, number: int) -> None:
        if not self._answered < number <= self._flushes:
            raise BadFrame(f"the receiver answers flush {number}, which is not awaited")
        self._answered = number
        while self._unacknowledged:
            item = self._unacknowledged[0]
            if isinstance(item, _Sent):
                self._shared.tally.done(item.piece.disk, item.piece.length)
            elif item > number:
                return
            self._unacknowledged.popleft()
            if item == number:
                return

    @property
    def _channel_now(self) -> Channel:
        if self._channel is None:
            raise ConnectionLost("the connection was closed")
        return self._channel


def _zeros(piece: Piece) -> Zero:
    return Zero(disk=piece.disk, offset=piece.offset, length=piece.length)


def _question(question: Question, pieces: Sequence[Piece]) -> Ask:
    ranges = tuple((piece.offset, piece.length) for piece in pieces)
    return Ask(disk=pieces[0].disk, question=question, ranges=ranges)


def _blocks(piece: Piece) -> Iterator[Piece]:
    at, end = piece.offset, piece.offset + piece.length
    while at < end:
        stop = min(end, (at // BLOCK + 1) * BLOCK)
        yield Piece(piece.disk, at, stop - at, piece.zero)
        at = stop
