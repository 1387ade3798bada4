"""One connection of the block stream: frames over a socket, TLS 1.3 on both ends' certificates.

A channel is one thread's; only `abort` may be called from others. Its socket does not block:
every wait looks at whether something moves, and whether it is still wanted.
"""

import contextlib
import math
import os
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterator

from rehost.contract import frames
from rehost.contract.frames import Data, Failure, Frame, Head
from rehost.contract.transfer import Certificates
from rehost.stream_errors import BadFrame, ConnectionLost, PeerNotTrusted, StreamError

STALL_S = 60.0  # nothing at all moves for so long: the connection is lost
_LOOK_S = 0.5
_FAREWELL_S = 3.0
FRAME_S = 600.0  # even a sender with a low speed limit has sent a whole frame by then
_DISTRUST = ("CERTIFICATE", "UNKNOWN_CA", "NO_SHARED_CIPHER", "PROTOCOL_VERSION")
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 6))


def client_context(certificates: Certificates) -> ssl.SSLContext:
    context = _context(ssl.PROTOCOL_TLS_CLIENT, certificates)
    context.check_hostname = True
    return context


def server_context(certificates: Certificates) -> ssl.SSLContext:
    context = _context(ssl.PROTOCOL_TLS_SERVER, certificates)
    context.verify_mode = ssl.CERT_REQUIRED
    context.num_tickets = 0  # no session is ever resumed
    return context


class Channel:
    """`stall_s` is how long nothing may move; `pace` is asked before so many bytes are sent."""

    def __init__(
        self,
        sock: socket.socket,
        *,
        stall_s: float = STALL_S,
        pace: Callable[[int], int] | None = None,
    ) -> None:
        _tune(sock)
        self.socket = sock
        self._stall_s = stall_s
        self._pace = pace
        self._poll = select.poll()
        # `abort` may not touch a TLS connection that another thread is using: only its socket.
        self._raw = socket.socket(fileno=os.dup(sock.fileno()))
        self._aborted = False
        # The frame that is being received must be complete by then: no peer drips for ever.
        self._frame_deadline = math.inf
        self._head = memoryview(bytearray(frames.HEAD_SIZE))
        self._data = memoryview(bytearray(frames.DATA_SIZE))
        self._small = memoryview(bytearray(frames.MAX_SMALL))
        self.sent = 0
        self.waited_s = 0.0  # for the other end, or the network, to take what is sent

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._raw.close()
            self.socket.close()

    def abort(self) -> None:
        """End whatever its thread is doing with it, soon. From any thread."""
        self._aborted = True
        with contextlib.suppress(OSError):
            self._raw.shutdown(socket.SHUT_RDWR)

    def limit_frame(self, seconds: float) -> None:
        """What is received from now on, up to the end of the next frame, takes so long at most."""
        self._frame_deadline = time.monotonic() + seconds

    def handshake(self) -> None:
        """Raises PeerNotTrusted, ConnectionLost."""
        if isinstance(self.socket, ssl.SSLSocket):
            shake = self.socket.do_handshake
            self._once(lambda: shake() or 1, select.POLLIN, self._stall_s)

    def check_peer(self, name: str) -> None:
        """Raises PeerNotTrusted if there is TLS, and the peer's certificate is not for `name`."""
        if not isinstance(self.socket, ssl.SSLSocket):
            return
        certificate = self.socket.getpeercert() or {}
        names = [e[1] for e in certificate.get("subjectAltName", ()) if e[0] == "DNS"]
        if name not in names:
            raise PeerNotTrusted(f"the peer's certificate is for {names}, not for {name}")

    def send(self, content: memoryview) -> None:
        """All of it. Raises ConnectionLost."""
        at = 0
        while at < len(content):
            size = self._pace(len(content) - at) if self._pace else len(content) - at
            self._send_all(content[at : at + size])
            at += size
        self.sent += at

    def send_frame(self, frame: Frame) -> None:
        self.send(memoryview(frames.encode(frame)))

    def farewell(self, failure: Failure) -> None:
        """Say why, and wait a moment until it was heard; the channel can only be closed then."""
        with contextlib.suppress(StreamError):
            self._stall_s = min(self._stall_s, _FAREWELL_S)
            self.send_frame(failure)
        with contextlib.suppress(OSError):
            # Closing while more comes in would reset the connection, and what was said is lost.
            self._raw.shutdown(socket.SHUT_WR)
            self._drain(time.monotonic() + _FAREWELL_S)

    def _drain(self, deadline: float) -> None:
        scratch = bytearray(1 << 16)
        self._poll.register(self.socket, select.POLLIN)
        while (left := deadline - time.monotonic()) > 0 and not self._aborted:
            if self._poll.poll(1000 * min(left, _LOOK_S)) and not self._raw.recv_into(scratch):
                return

    def has_input(self) -> bool:
        """Whether the other end has said something."""
        if isinstance(self.socket, ssl.SSLSocket) and self.socket.pending():
            return True
        self._poll.register(self.socket, select.POLLIN)
        return bool(self._poll.poll(0))

    def receive_head(self, *, idle_s: float | None = None) -> Head | None:
        """The next frame's head, `idle_s` at most until its first byte; None at a clean end."""
        if not self._fill(self._head, idle_s or self._stall_s, may_end=True):
            return None
        self._frame_deadline = min(self._frame_deadline, time.monotonic() + FRAME_S)
        return frames.parse_head(self._head)

    def receive_data_head(self, head: Head) -> Data:
        self._fill(self._data, self._stall_s)
        return frames.parse_data(head, self._data)

    def receive_body(self, head: Head) -> Frame:
        if head.type is frames.Type.DATA:
            raise BadFrame("the other end sent data where none belongs")
        body = self._small[: head.length]
        self._fill(body, self._stall_s)
        self._frame_deadline = math.inf
        return frames.parse(head, body)

    def receive_frame(self) -> Frame:
        """Any but data. Raises ConnectionLost also where the other end has closed."""
        head = self.receive_head()
        if head is None:
            raise ConnectionLost("the other end closed the connection")
        return self.receive_body(head)

    def receive_payload(self, view: memoryview) -> None:
        self._fill(view, self._stall_s)
        self._frame_deadline = math.inf

    def _fill(self, view: memoryview, stall_s: float, *, may_end: bool = False) -> bool:
        at = 0
        while at < len(view):
            done = self._once(lambda: self.socket.recv_into(view[at:]), select.POLLIN, stall_s)  # noqa: B023
            if not done:
                if may_end and not at:
                    return False
                raise ConnectionLost("the other end closed the connection in the middle of a frame")
            at += done
        return True

    def _send_all(self, content: memoryview) -> None:
        at = 0
        while at < len(content):
            at += self._once(
                lambda: self.socket.send(content[at:]),  # noqa: B023
                select.POLLOUT,
                self._stall_s,
            )

    def _once(self, step: Callable[[], int], wanted: int, stall_s: float) -> int:
        """Do `step` when it can be done; ConnectionLost after `stall_s` in which it cannot."""
        deadline: float | None = None
        while True:
            if self._aborted:
                raise ConnectionLost("the connection was given up")
            try:
                return step()
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError) as e:
                events = _events(e, wanted)
            except (OSError, ValueError) as e:
                raise _broken(e) from e
            now = time.monotonic()
            deadline = deadline or min(now + stall_s, self._frame_deadline)
            if now >= deadline:
                raise ConnectionLost(
                    "what was to arrive was not complete in time"
                    if now >= self._frame_deadline
                    else f"nothing moved on the connection for {stall_s:g} s"
                )
            self._poll.register(self.socket, events)
            self._poll.poll(1000 * min(_LOOK_S, deadline - now))
            if wanted == select.POLLOUT:
                self.waited_s += time.monotonic() - now


def _broken(e: Exception) -> PeerNotTrusted | ConnectionLost:
    reason = str(getattr(e, "reason", None) or "")
    if any(word in reason for word in _DISTRUST):
        return PeerNotTrusted(f"the two ends do not trust each other: {e}")
    return ConnectionLost(f"the connection broke: {e}")


def _events(e: OSError, wanted: int) -> int:
    if isinstance(e, ssl.SSLWantReadError):
        return select.POLLIN
    return select.POLLOUT if isinstance(e, ssl.SSLWantWriteError) else wanted


def _context(protocol: int, certificates: Certificates) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(cadata=certificates.ca)
        _load_own(context, certificates)
    except (ssl.SSLError, ValueError) as e:
        raise PeerNotTrusted(f"the task's certificates cannot be used: {e}") from e
    return context


def _load_own(context: ssl.SSLContext, certificates: Certificates) -> None:
    """From memory: a private key is not to be left in a file, even for a moment."""
    with _piped(certificates.certificate) as chain, _piped(certificates.private_key) as key:
        context.load_cert_chain(chain, key)


@contextlib.contextmanager
def _piped(text: str) -> Iterator[str]:
    """A name under which it can be read once. Kernels of old sources know of no memfd."""
    reading, writing = os.pipe()
    try:
        try:
            os.write(writing, f"{text}\n".encode())  # far less than a pipe holds
        finally:
            os.close(writing)
        yield f"/proc/self/fd/{reading}"
    finally:
        os.close(reading)


def _tune(sock: socket.socket) -> None:
    sock.setblocking(False)
    if sock.family == socket.AF_UNIX:
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
