"""What really goes over the wire, by a clock: slow, and only where nothing else wants the CPUs."""

import contextlib
import socket
import threading
import time
from pathlib import Path

import pytest

from tests.replicate.child import SenderChild
from tests.replicate.rig import MIB, Receiver

SIZE = 128 * MIB
SLOW, FAST = 2e6, 6e6


class Meter:
    """Forwards connections to a port, and counts what goes there."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._lock = threading.Lock()
        self.count = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def over(self, seconds: float) -> float:
        """Bytes a second, from now on."""
        began, before = time.monotonic(), self.count
        time.sleep(seconds)
        return (self.count - before) / (time.monotonic() - began)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._target))
            for one, other, counts in ((near, far, True), (far, near, False)):
                threading.Thread(
                    target=self._forward, args=(one, other, counts), daemon=True
                ).start()

    def _forward(self, one: socket.socket, other: socket.socket, counts: bool) -> None:
        with one, contextlib.suppress(OSError):
            while content := one.recv(1 << 16):
                other.sendall(content)
                if counts:
                    with self._lock:
                        self.count += len(content)
            other.shutdown(socket.SHUT_WR)


@pytest.mark.slow
def test_a_limit_holds_within_5_per_cent_and_a_new_one_acts_within_2_seconds(tmp_path):
    image = tmp_path / "image"
    with Path("/dev/urandom").open("rb") as random, image.open("wb") as file:
        for _ in range(SIZE // MIB):
            file.write(random.read(MIB))
    with Receiver(tmp_path / "notes", tmp_path / "target", SIZE) as receiver:
        meter = Meter(receiver.port)
        receiver.port = meter.port
        with SenderChild(receiver, str(image), limit=SLOW) as child:
            child.wait_for(lambda _: meter.count > MIB)
            time.sleep(1)
            assert meter.over(10) == pytest.approx(SLOW, rel=0.05)
            child.tell({"limit": FAST})
            time.sleep(2)
            assert meter.over(5) == pytest.approx(FAST, rel=0.05)
            child.tell({"limit": SLOW})
            time.sleep(2)
            assert meter.over(5) == pytest.approx(SLOW, rel=0.05)
            child.tell({"stop": True})
            child.wait_for(lambda _: False)
        meter.close()
