import threading
import time

import pytest

from rehost.stages.replicate.control import Control
from rehost.stages.replicate.courtesy import Courtesy, Load
from rehost.stages.replicate.job import parse_job
from rehost.stream_errors import TransferStopped

MB = 1_000_000


def taken(control, seconds, *, threads=4):
    """Bytes that so many lanes may send in a while."""
    total, lock, end = 0, threading.Lock(), time.monotonic() + seconds

    def lane():
        nonlocal total
        while time.monotonic() < end:
            size = control.take(1 << 20)
            with lock:
                total += size

    lanes = [threading.Thread(target=lane) for _ in range(threads)]
    for thread in lanes:
        thread.start()
    for thread in lanes:
        thread.join()
    return total


@pytest.mark.parametrize("rate", [0.5 * MB, 20 * MB])
def test_a_limit_is_kept(rate):
    began = time.monotonic()
    total = taken(Control(limit=rate), 2)
    passed = time.monotonic() - began
    assert total <= rate * (passed + 0.4)
    assert total >= 0.9 * rate * 2


def test_a_new_limit_acts_at_once():
    control = Control(limit=1000)
    threading.Timer(0.2, control.set_limit, (None,)).start()
    began = time.monotonic()
    while control.take(1 << 20) < 1 << 20:
        pass
    assert time.monotonic() - began < 5


def test_stopped_while_it_waits():
    control = Control()
    control.pause()
    threading.Timer(0.1, control.stop).start()
    with pytest.raises(TransferStopped):
        control.gate()
    with pytest.raises(TransferStopped):
        control.wait(60)


def test_the_sources_own_work_comes_first():
    load = [Load(others=0.5, stalled=90.0)]
    courtesy = Courtesy(lanes=4, measure=lambda: load[0], window_s=0)
    seen = []
    for _ in range(5):
        with courtesy.reading():
            pass
        seen.append((courtesy.allowed, courtesy.pause_s > 0))
    assert seen == [(2, False), (1, False), (1, True), (1, True), (1, True)]
    load[0] = Load(others=0.1, stalled=0.0)
    for _ in range(12):
        with courtesy.reading():
            pass
    assert (courtesy.allowed, courtesy.pause_s) == (4, 0)


def test_pressure_counts_where_the_kernel_tells_it():
    courtesy = Courtesy(lanes=4, measure=lambda: Load(others=0, stalled=80.0), window_s=0)
    with courtesy.reading():
        pass
    assert courtesy.allowed == 2


@pytest.mark.parametrize(("options", "courteous"), [
    ({}, True), ({"priority": 0}, True), ({"priority": 1}, True), ({"priority": 2}, False),
])  # fmt: skip
def test_a_job_of_high_priority_reads_regardless(options, courteous):
    job = {"task_id": "t", "host": "127.0.0.1", "port": 1, "tls": None, "disks": []}
    assert parse_job({**job, "options": options}).options.courteous is courteous
