"""A TCP proxy that breaks connections the way networks do."""

import contextlib
import random
import socket
import struct
import threading
import time
from collections.abc import Callable
from enum import Enum

_CHUNK = 1 << 16
_KEPT = 1 << 18


class Break(Enum):
    CUT = "both ends get an orderly end"
    RESET = "both ends get a reset"
    STALL = "nothing moves any more, and nobody is told"
    HALF = "what goes to the receiver stalls, answers still come"


class Proxy:
    """Forwards to a port of loopback. After `after()` bytes, a connection breaks; then the next
    one has `after()` bytes, until it returns None. `how` is drawn for each."""

    def __init__(self, port: int, *, after: Callable[[], "int | None"], seed: int = 0) -> None:
        self._target = port
        self._after = after
        self._draw = random.Random(seed)
        self._sockets: list[socket.socket] = []
        self._closing = False
        self.breaks: list[Break] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        _keep_little(self._listener)
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join(10)
        for sock in self._sockets:
            sock.close()

    def _accept(self) -> None:
        while not self._closing:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.socket()
                _keep_little(far)
                far.connect(("127.0.0.1", self._target))
            except OSError:
                near.close()
                continue
            self._sockets += [near, far]
            pair = _Pair(self, near, far, self._after(), self._draw.choice(list(Break)))
            for one, other, counts in ((near, far, True), (far, near, False)):
                thread = threading.Thread(target=pair.forward, args=(one, other, counts))
                self._threads.append(thread)
                thread.start()


def _keep_little(sock: socket.socket) -> None:
    """What is in buffers when a connection breaks is lost, whoever is to blame."""
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, _KEPT)


class _Pair:
    def __init__(
        self,
        proxy: Proxy,
        near: socket.socket,
        far: socket.socket,
        left: "int | None",
        how: Break,
    ) -> None:
        self._proxy, self._both, self._left, self._how = proxy, (near, far), left, how
        self._stalled = False

    def forward(self, one: socket.socket, other: socket.socket, counts: bool) -> None:
        with contextlib.suppress(OSError):
            while content := one.recv(_CHUNK):
                if counts and self._is_over(len(content)):
                    if self._how in (Break.STALL, Break.HALF):
                        self._wait()
                    return
                if self._stalled and self._how is Break.STALL:
                    self._wait()
                    return
                other.sendall(content)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_WR)

    def _is_over(self, size: int) -> bool:
        if self._left is None:
            return False
        self._left -= size
        if self._left > 0:
            return False
        self._proxy.breaks.append(self._how)
        self._stalled = True
        if self._how is Break.RESET:
            for sock in self._both:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if self._how in (Break.CUT, Break.RESET):
            for sock in self._both:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        return True

    def _wait(self) -> None:
        while not self._proxy._closing:
            time.sleep(0.05)
