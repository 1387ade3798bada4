"""How the level follows the machine and the link, on a clock that only the work moves."""

import os
import types
from collections import Counter

import pytest

from rehost.contract.frames import BLOCK
from rehost.stages.replicate import compression
from rehost.stages.replicate.compression import OFF, Compression

BASE = 1e-9  # seconds of CPU a byte for all but compressing
# Seconds of CPU a byte, and the size of what is left beside level 1's: measured.
COSTS = {-5: (1.63e-9, 1.4), 1: (2.05e-9, 1.0), 3: (3.05e-9, 0.957), 6: (7e-9, 0.9)}
HARD, USUAL = [0.75] * 150, [0.25, 0.34, 0.4] * 400


class Machine:
    """One core, one lane, a link: the clock moves by what takes longer."""

    def __init__(self, monkeypatch, link: float) -> None:
        self.now = self.cpu = 0.0
        self.link, self.left = link, 0.4
        clock = types.SimpleNamespace(
            monotonic=lambda: self.now,
            thread_time=lambda: self.cpu,
            process_time=lambda: self.cpu,
        )
        monkeypatch.setattr(compression, "time", clock)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
        monkeypatch.setattr(Compression, "_compressor", lambda _, level: self._compressor(level))

    def _compressor(self, level):
        cost, more = COSTS[level]

        def compress(content, _mode):
            self.work(cost * len(content))
            return bytes(int(len(content) * min(1.0, self.left * more)))

        return types.SimpleNamespace(compress=compress)

    def work(self, seconds: float) -> None:
        self.now += seconds
        self.cpu += seconds

    def send(self, contents, packing) -> tuple[Counter[int | None], float]:
        """How many blocks went at each level, and how long it took."""
        levels: Counter[int | None] = Counter()
        began, block = self.now, memoryview(bytes(BLOCK))
        for self.left in contents:
            levels[packing.level] += 1
            start = self.now
            _, payload = packing.pack(block)
            self.work(BASE * BLOCK)
            waited = max(0.0, start + len(payload) / self.link - self.now)
            self.now += waited
            packing.sent(raw=BLOCK, wire=len(payload), waited_s=waited)
        return levels, self.now - began


def fixed(link: float, contents, level) -> float:
    cost, more = COSTS[level] if level is not OFF else (0.0, 9.0)
    each = (max(BASE + cost, min(1.0, left * more) / link) for left in contents)
    return float(BLOCK * sum(each))


@pytest.mark.parametrize("link", [20e6, 60e6, 120e6, 250e6, 2e9])
def test_it_is_nearly_as_fast_as_the_best_level_whatever_came_first(link, monkeypatch):
    machine, packing = Machine(monkeypatch, link), Compression(lanes=1)
    machine.send(HARD, packing)
    _, seconds = machine.send(USUAL, packing)
    best = min(fixed(link, USUAL, level) for level in (OFF, *COSTS))
    assert seconds < 1.12 * best


def test_a_level_is_not_blamed_for_what_was_sent_at_it(monkeypatch):
    machine, packing = Machine(monkeypatch, 60e6), Compression(lanes=1)
    machine.send(HARD, packing)
    levels, _ = machine.send(USUAL, packing)
    assert levels[1] + levels[3] > 0.95 * len(USUAL)


def test_a_link_that_grows_faster_is_made_use_of(monkeypatch):
    machine, packing = Machine(monkeypatch, 20e6), Compression(lanes=1)
    machine.send(USUAL, packing)
    machine.link = 5e9
    machine.send(USUAL * 2, packing)
    assert packing.level is OFF
