"""What a machine under load told this one: which numbers are durable there, and when it was cut."""

import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

CUT = "cut"


class Witness:
    """Notes what is said, in the order in which it comes."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._said: list[tuple[str, int]] = []  # by whom: a boot of a machine, or CUT
        self._news = threading.Condition()

    def note(self, who: str, number: int) -> None:
        with self._news:
            self._said.append((who, number))
            self._news.notify_all()

    @property
    def cuts(self) -> int:
        return sum(who == CUT for who, _ in self._said)

    def boots(self, *, cut: int | None = None) -> set[str]:
        """Of machines that told numbers so far, or until the n-th cut began, from 1."""
        return {who for who, _ in self._until(cut)}

    def told(self, *, cut: int | None = None) -> list[int]:
        """The numbers told so far, or until the n-th cut began."""
        return [number for _, number in self._until(cut)]

    def _until(self, cut: int | None) -> Iterator[tuple[str, int]]:
        cuts = 0
        for who, number in tuple(self._said):
            cuts += who == CUT
            if cut is not None and cuts >= cut:
                return
            if who != CUT:
                yield who, number

    def wait_for_more(self, count: int = 1, *, limit_s: float) -> None:
        """Until so many more numbers have been told."""
        wanted = len(self.told()) + count
        self.wait_until(lambda: len(self.told()) >= wanted, limit_s=limit_s)

    def wait_until(self, ready: Callable[[], bool], *, limit_s: float) -> None:
        end = time.monotonic() + limit_s
        with self._news:
            while not ready():
                if not self._news.wait(end - time.monotonic()):
                    pytest.fail(f"not told within {limit_s} s; the last was {self._said[-5:]}")


@contextmanager
def listening() -> Iterator[Witness]:
    """A witness on loopback, where guests reach it."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):  # a machine was turned off
                who = self.rfile.readline().decode().strip()
                for line in self.rfile:
                    witness.note(who, int(line))
                    if who == CUT:
                        self.wfile.write(b"noted\n")

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        witness = Witness(server.server_address[1])
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield witness
        finally:
            server.shutdown()
