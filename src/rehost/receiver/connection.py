"""What a receiver does on one connection: check, write, note, answer."""

import logging
import threading

from rehost.contract.channel import Channel
from rehost.contract.digest import digest
from rehost.contract.frames import (
    BLOCK,
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
    Head,
    Hello,
    Type,
    Welcome,
    Zero,
)
from rehost.contract.zstd import DecompressionParameter, ZstdDecompressor, ZstdError
from rehost.receiver.sessions import CONNECTIONS, Sessions
from rehost.receiver.store import Store
from rehost.receiver.writer import Writer
from rehost.stream_errors import BadFrame, ConnectionLost, DigestWrong, StreamError

log = logging.getLogger(__name__)

GREETING_S = 10.0  # a stranger has so long to become a peer
IDLE_S = 900.0
_WINDOW_LOG = 21  # a sender's frames are small: none may ask for a larger window


class Serving:
    """One connection, in a thread of its own."""

    def __init__(self, channel: Channel, store: Store, sessions: Sessions) -> None:
        self._channel = channel
        self._store = store
        self._sessions = sessions
        self.ended = threading.Event()

    def abort(self) -> None:
        self._channel.abort()

    def greet(self) -> Hello:
        """The first frame."""
        frame = self._channel.receive_frame()
        if not isinstance(frame, Hello):
            raise BadFrame(f"a connection begins with HELLO, not with {type(frame).__name__}")
        return frame

    def run(self, hello: Hello) -> None:
        """Until the sender finishes or the connection ends. Raises StreamError."""
        self._sessions.admit(hello, self)
        try:
            self._channel.send_frame(
                Welcome(
                    store=self._store.id,
                    empty=self._store.is_empty,
                    connections=CONNECTIONS,
                    disks=self._store.offer(),
                )
            )
            self._packed = memoryview(bytearray(BLOCK))
            self._writer = Writer()
            try:
                self._serve()
            finally:
                self._writer.close()
        finally:
            self.ended.set()
            self._sessions.leave(hello.connection, self)

    def _serve(self) -> None:
        while (head := self._channel.receive_head(idle_s=IDLE_S)) is not None:
            if head.type is Type.DATA:
                self._receive(head)
            elif self._act(self._channel.receive_body(head)):
                return

    def _receive(self, head: Head) -> None:
        data = self._channel.receive_data_head(head)
        target = self._store.disk(data.disk)
        target.check_range(data.offset, data.length)
        content = self._writer.room()[: data.length]
        if data.codec is Codec.RAW:
            self._channel.receive_payload(content)
        else:
            payload = self._packed[: data.payload]
            self._channel.receive_payload(payload)
            content[:] = _unpacked(payload, data)
        if digest(content) != data.digest:
            raise DigestWrong(
                f"{data.length} bytes for {data.offset} of disk {target.disk.name} did not arrive "
                "as they were sent; they were not written"
            )
        self._writer.write(target, data)

    def _act(self, frame: Frame) -> bool:
        """Whether it was the last."""
        self._writer.settle()
        match frame:
            case Zero():
                self._store.disk(frame.disk).zero(frame)
            case Discard():
                self._store.disk(frame.disk).discard(frame)
            case Flush():
                self._store.commit()
                self._channel.send_frame(Flushed(number=frame.number))
            case Ask():
                digests = tuple(self._store.disk(frame.disk).answer(frame, self._writer.buffer))
                self._channel.send_frame(Answer(digests=digests))
            case Finish():
                self._store.commit()
                self._channel.send_frame(Finished(number=frame.number))
                return True
            case _:
                raise BadFrame(f"a sender sends no {type(frame).__name__}")
        return False


def serve(channel: Channel, store: Store, sessions: Sessions, *, peer: str) -> None:
    """All of a connection's life but its handshake. Raises nothing that is the peer's doing."""
    serving = Serving(channel, store, sessions)
    try:
        channel.check_peer(peer)
        serving.run(serving.greet())
        log.info("a connection has finished")
    except ConnectionLost as e:
        log.info("a connection has ended: %s", e)
    except StreamError as e:
        log.warning("a connection is refused: %s (%s)", e, e.code)
        channel.farewell(Failure(code=e.code, message=str(e)))
    finally:
        serving.ended.set()


def _unpacked(payload: memoryview, data: Data) -> bytes:
    unpack = ZstdDecompressor(options={DecompressionParameter.window_log_max: _WINDOW_LOG})
    try:
        # One byte more than it should be: so that it shows if there is more.
        content = unpack.decompress(payload, data.length + 1)
    except ZstdError as e:
        raise DigestWrong(f"a block at {data.offset} cannot be decompressed: {e}") from e
    if len(content) != data.length or not unpack.eof or unpack.unused_data:
        raise DigestWrong(f"a block at {data.offset} is of another length than was said")
    return content
