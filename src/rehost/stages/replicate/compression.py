"""How hard to compress: as hard as makes the whole transfer fastest, and no harder.

A model of both ends of the pipe is kept: what a level costs in CPU and how small it makes things,
and what the link carries. It goes to the level with the highest predicted rate. How much of what
was promised a level really achieved lately bounds what the model may promise of it: as a share,
because a rate says more of what was sent just then than of the level.
"""

import math
import os
import threading
import time
from collections.abc import Callable

from rehost.contract.frames import BLOCK, Codec
from rehost.contract.zstd import CompressionParameter, Strategy, ZstdCompressor

OFF = None
# Cost in CPU and size of what is left, beside level 1's, on disks of systems.
_LEVELS: dict[int, tuple[float, float]] = {
    -5: (0.9, 1.45),
    1: (1, 1),
    3: (1.5, 0.957),
    6: (4, 0.9),
}
_LADDER = (OFF, *_LEVELS)
# For blocks of a MiB: a larger table, and shorter matches than level 1 has for files of any size,
# leave 3 % less, and take no longer.
_TUNED: dict[int, dict[int, int]] = {
    1: {
        CompressionParameter.strategy: Strategy.fast,
        CompressionParameter.hash_log: 15,
        CompressionParameter.min_match: 6,
    }
}
_WINDOW_S = 0.4
_WINDOW_BYTES = 4 << 20
_WAITS = 0.25  # of its time that a sender waits for the link where that is the bottleneck
_DRIFT = 1.15
_UNSEEN = 2  # times what was sent at first, when the link was no bottleneck
_BELIEF = 1.5  # times what the link carried when it was the bottleneck
_MEMORY_S = 20.0
_BETTER = 1.1
_PROBE = 32  # one block of so many is tried where nothing is compressed
_HOPELESS = 0.97
_MIN = 512

Level = int | None


class Compression:
    """For all lanes of a transfer. `enabled` False sends all as it is."""

    def __init__(
        self, *, lanes: int, enabled: bool = True, limit: Callable[[], float | None] = lambda: None
    ) -> None:
        self.level: Level = 1 if enabled else OFF
        self._enabled = enabled
        self._limit = limit
        self._lanes = lanes
        self._cores = len(os.sched_getaffinity(0))
        self._lock = threading.Lock()
        self._local = threading.local()
        self._cost = 2e-9  # CPU seconds a byte at level 1
        self._left = 0.4  # of a byte, at level 1
        self._base = 0.6e-9  # CPU seconds a byte for all but compressing
        # The same in time that passes: more, where others want the CPUs too.
        self._slow_cost, self._slow_base = self._cost, self._base
        self._link: float | None = None
        self._most = math.inf
        self._achieved: dict[Level, tuple[float, float]] = {}  # share of the promise, and when
        self._count = 0
        self._last = -math.inf
        self._reset(time.monotonic())

    def pack(self, content: memoryview) -> tuple[Codec, bytes | memoryview]:
        """What to send for it."""
        level = self._level_for_this()
        if level is OFF or len(content) < _MIN:
            return Codec.RAW, content
        began, cpu = time.monotonic(), time.thread_time()
        packed = self._compressor(level).compress(content, ZstdCompressor.FLUSH_FRAME)
        took, used = time.monotonic() - began, time.thread_time() - cpu
        self._learn(level, took, used, size=(len(content), len(packed)))
        # A few per cent are not worth the receiver's work.
        if len(packed) > _HOPELESS * len(content):
            return Codec.RAW, content
        return Codec.ZSTD, packed

    def sent(self, *, raw: int, wire: int, waited_s: float) -> None:
        """After each block: `waited_s` of it for the link."""
        if not self._enabled:
            return
        with self._lock:
            self._raw += raw
            self._wire += wire
            self._waited += waited_s
            now = time.monotonic()
            if now - self._last > _WINDOW_S:
                self._reset(now)  # nothing was sent for a while, for other reasons
            elif now - self._since >= _WINDOW_S and self._raw >= _WINDOW_BYTES:
                self._judge(now)
                self._reset(now)
            self._last = now

    def _level_for_this(self) -> Level:
        if not self._enabled:
            return OFF
        self._count += 1
        # Of what does not shrink, and where nothing is to be compressed, a few are tried.
        if self.level is OFF or self._left > _HOPELESS:
            return 1 if self._count % _PROBE == 0 else OFF
        return self.level

    def _compressor(self, level: int) -> ZstdCompressor:
        kept: dict[int, ZstdCompressor] = getattr(self._local, "kept", {})
        if level not in kept:
            options = {int(CompressionParameter.compression_level): level}
            options |= _TUNED.get(level, {})
            kept[level] = ZstdCompressor(options=options)
            self._local.kept = kept
        return kept[level]

    def _learn(self, level: int, took: float, used: float, *, size: tuple[int, int]) -> None:
        cost, more = _LEVELS[level]
        raw, packed = size
        # Small blocks say little: what they take is not what their bytes take.
        weight = 0.05 * raw / BLOCK
        with self._lock:
            self._cost += weight * (used / raw / cost - self._cost)
            self._slow_cost += weight * (took / raw / cost - self._slow_cost)
            self._left += weight * (min(1.0, packed / raw / more) - self._left)
            self._compressing += used
            self._compressing_slowly += took

    def _judge(self, now: float) -> None:
        passed = now - self._since
        busy = time.process_time() - self._cpu - self._compressing
        self._base += 0.3 * (max(0.0, busy) / self._raw - self._base)
        slow = passed * self._lanes - self._waited - self._compressing_slowly
        self._slow_base += 0.3 * (max(0.0, slow) / self._raw - self._slow_base)
        self._see_link(self._wire / passed, self._waited / passed / self._lanes)
        self._achieved[self.level] = (self._raw / passed / self._model(self.level), now)
        best = max(_LADDER, key=lambda level: self._promise(level, now))
        if self._promise(best, now) > _BETTER * self._promise(self.level, now):
            # Upwards in steps: what a wrong one costs grows with each.
            higher = _LADDER[_LADDER.index(self.level) + 1 :]
            self.level = higher[0] if best in higher else best

    def _see_link(self, rate: float, waits: float) -> None:
        if waits > _WAITS:
            self._link = rate if self._link is None else self._link + 0.5 * (rate - self._link)
            self._most = _BELIEF * self._link
            return
        # Not what limits us: it may carry more than it was seen to.
        if rate > self._most:
            self._most = math.inf
        self._link = max(rate, min(_DRIFT * (self._link or _UNSEEN * rate), self._most))

    def _promise(self, level: Level, now: float) -> float:
        """Bytes of disk per second that this level would bring."""
        share, when = self._achieved.get(level, (1.0, -math.inf))
        if now - when < _MEMORY_S and level != self.level:
            return self._model(level) * min(1.0, _BETTER * share)
        return self._model(level)

    def _model(self, level: Level) -> float:
        cost, size = (0.0, 1 / self._left) if level is OFF else _LEVELS[level]
        link = self._link or 0
        if (limit := self._limit()) is not None:
            link = min(link, limit)
        left = min(1.0, self._left * size)
        return min(
            self._cores / (self._base + cost * self._cost),
            self._lanes / (self._slow_base + cost * self._slow_cost),
            link / left,
        )

    def _reset(self, now: float) -> None:
        self._since = now
        self._cpu = time.process_time()
        self._raw = self._wire = 0
        self._waited = self._compressing = self._compressing_slowly = 0.0
