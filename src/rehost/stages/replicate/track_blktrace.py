"""Changed blocks from the block tracer, for kernels whose eBPF is of no use.

It says of itself how many events it has dropped: then nothing is known, and all is compared.
"""

import threading
from collections.abc import Sequence

from rehost.errors import HostError
from rehost.model.ranges import Range
from rehost.stages.replicate.followed import Waiting
from rehost.system import blktrace
from rehost.system.blockdev import Place
from rehost.system.reader import ALIGNMENT, Reader

BLOCK = 64 << 10
INTERVAL_S = 0.05  # the buffers hold 20,000 events per CPU
SHORT = 64  # blocks; a longer request is kept as one range


class BlktraceFollower:
    """Traces each of the disks; a thread empties the kernel's buffers."""

    def __init__(self, places: Sequence[Place]) -> None:
        """Raises OSError."""
        self._disks: dict[str, _Traced] = {}
        try:
            for whole in dict.fromkeys(p.whole for p in places):
                traced = _Traced(whole, [p for p in places if p.whole == whole])
                self._disks.update({p.path: traced for p in places if p.whole == whole})
        except BaseException:
            self._close_all()
            raise
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._drain, name="blktrace", daemon=True)
        self._thread.start()

    def take(self, disk: str) -> tuple[Range, ...] | None:
        return self._disks[disk].take(disk)

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        self._close_all()

    def _drain(self) -> None:
        while not self._ended.wait(INTERVAL_S):
            for traced in set(self._disks.values()):
                traced.drain()

    def _close_all(self) -> None:
        for traced in set(self._disks.values()):
            traced.close()
        self._disks.clear()


class _Traced:
    def __init__(self, path: str, places: Sequence[Place]) -> None:
        self._waiting = Waiting(places)
        self._size = places[0].disk.size
        self._blocks: set[int] = set()
        self._long: list[Range] = []
        self._broken = False
        self._lock = threading.Lock()
        self._trace = blktrace.Trace(path, blktrace.WRITES)
        self._dropped = self._trace.dropped()

    def drain(self) -> None:
        with self._lock:
            self._drain()

    def take(self, path: str) -> tuple[Range, ...] | None:
        with self._lock:
            self._drain()
            dropped = self._trace.dropped()
            complete = dropped == self._dropped and not self._broken
            self._dropped, self._broken = dropped, False
            found = [*self._long, *(Range(b * BLOCK, BLOCK) for b in self._blocks)]
            self._blocks.clear()
            self._long.clear()
            self._waiting.add(self._clipped(found) if complete else None)
            return self._waiting.take(path)

    def close(self) -> None:
        self._trace.close()

    def _drain(self) -> None:
        try:
            for seen in self._trace.events():
                self._add(seen)
        except (OSError, HostError):
            self._broken = True

    def _add(self, seen: blktrace.Seen) -> None:
        # QUEUED matters for discards alone, but does not say which it is.
        if seen.action not in (blktrace.QUEUED, blktrace.ISSUED, blktrace.COMPLETED):
            return
        first, behind = seen.offset // BLOCK, -(-(seen.offset + seen.length) // BLOCK)
        if behind - first > SHORT:
            self._long.append(Range(first * BLOCK, (behind - first) * BLOCK))
        else:
            self._blocks.update(range(first, behind))

    def _clipped(self, ranges: Sequence[Range]) -> list[Range]:
        return [
            Range(r.offset, min(r.length, self._size - r.offset))
            for r in ranges
            if r.offset < self._size
        ]


def start(places: Sequence[Place]) -> tuple[BlktraceFollower | None, dict[str, str]]:
    """Follow the disks whose reads it sees; say why not the others. Raises OSError."""
    refused = {p.path: why for p in places if (why := _refusal(p))}
    good = [p for p in places if p.path not in refused]
    return BlktraceFollower(good) if good else None, refused


def _refusal(place: Place) -> str:
    """Why not; "" if a read, made for this, is seen where it was. Nothing is written."""
    block = place.disk.size // 2 // ALIGNMENT * ALIGNMENT
    try:
        trace = blktrace.Trace(place.whole, blktrace.READS)
    except OSError as e:
        return str(e)
    try:
        with Reader(place.whole, direct=True) as disk:
            disk.read(block, ALIGNMENT)
        events = list(trace.events())
    finally:
        trace.close()
    for action in (blktrace.ISSUED, blktrace.COMPLETED):
        if not any(e.action == action and e.offset <= block < e.offset + e.length for e in events):
            return "no requests of this disk are seen"
    return ""
