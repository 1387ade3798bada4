"""Writes what one connection received, in order, while more of it arrives.

A connection that waited for each write would leave CPU and network idle while the disk works, and
the disk idle in between. Blocks that follow each other are written at once.
"""

import threading
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from rehost.contract.frames import BLOCK, Data
from rehost.receiver.target import TargetDisk
from rehost.system.block_io import AlignedBuffer

_SLOTS = 4


@dataclass(frozen=True, slots=True)
class _Block:
    target: TargetDisk
    data: Data
    slot: int

    def goes_on_in(self, other: "_Block") -> bool:
        """On the disk as in memory."""
        return (
            self.target is other.target
            and self.slot + 1 == other.slot
            and self.data.offset + BLOCK == other.data.offset
            and self.data.length == other.data.length == BLOCK
        )


class Writer:
    """One thread's; `close` must be called, and nothing is written any more when it returns."""

    def __init__(self) -> None:
        self.buffer = AlignedBuffer(_SLOTS * BLOCK)
        self._slot = 0
        self._free: SimpleQueue[int] = SimpleQueue()
        self._received: SimpleQueue[_Block | None] = SimpleQueue()
        self._error: BaseException | None = None
        for slot in range(_SLOTS):
            self._free.put(slot)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def room(self) -> memoryview:
        """Where the next block goes; waits until there is some. Raises as `settle` does."""
        self._slot = self._free.get()
        self._check()
        return self.buffer.view[self._slot * BLOCK : (self._slot + 1) * BLOCK]

    def write(self, target: TargetDisk, data: Data) -> None:
        """What was put into `room`, soon."""
        self._received.put(_Block(target, data, self._slot))

    def settle(self) -> None:
        """Return when all is written; `buffer` is free then. Raises what TargetDisk.write did."""
        for slot in [self._free.get() for _ in range(_SLOTS)]:
            self._free.put(slot)
        self._check()

    def close(self) -> None:
        self._received.put(None)
        self._thread.join()

    def _check(self) -> None:
        if self._error:
            raise self._error

    def _run(self) -> None:
        block = self._received.get()
        while block:
            run, block = self._with_following(block)
            self._write(run)
            for written in run:
                self._free.put(written.slot)
            block = block or self._received.get()

    def _with_following(self, first: _Block) -> tuple[list[_Block], _Block | None]:
        """What can be written at once with it, and what comes then, if that is there already."""
        run = [first]
        while True:
            try:
                following = self._received.get_nowait()
            except Empty:
                return run, None
            if following is None:
                self._received.put(None)  # the last, for `_run` to see
                return run, None
            if not run[-1].goes_on_in(following):
                return run, following
            run.append(following)

    def _write(self, run: list[_Block]) -> None:
        if self._error:
            return
        start = run[0].slot * BLOCK
        length = sum(block.data.length for block in run)
        try:
            run[0].target.write(
                [block.data for block in run], self.buffer.view[start : start + length]
            )
        except BaseException as e:
            self._error = e  # the connection's thread raises it
