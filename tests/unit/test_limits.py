import threading
import time

import pytest

from rehost.stages.replicate.limits import Limits, Pace
from rehost.stream_errors import TransferStopped

MB = 1_000_000


class Clock:
    """Stands until somebody waits."""

    def __init__(self):
        self.now = 100.0
        self.cpu = 0.0

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


def limits(clock, **rates):
    wanted = {"read_rate": None, "cpus": None} | rates
    return Limits(**wanted, wait=clock.wait, clock=clock, cpu_time=lambda: clock.cpu)


def test_reads_are_as_fast_as_the_limit_says(clock):
    limited = limits(clock, read_rate=10 * MB)
    for _ in range(100):
        limited.before_read(MB)
    assert clock.now - 100 == pytest.approx(10, abs=0.3)


def test_a_pause_does_not_end_in_a_burst(clock):
    limited = limits(clock, read_rate=10 * MB)
    limited.before_read(MB)
    clock.now += 60
    began = clock.now
    for _ in range(100):
        limited.before_read(MB)
    assert clock.now - began == pytest.approx(10, abs=0.3)


def test_a_process_uses_no_more_cpu_time_than_it_may(clock):
    limited = limits(clock, cpus=0.5)
    for _ in range(100):
        clock.now += 0.1  # it computes all the time, in two threads
        clock.cpu += 0.2
        limited.before_read(MB)
    assert clock.cpu / (clock.now - 100) == pytest.approx(0.5, rel=0.02)


def test_the_stricter_limit_counts(clock):
    limited = limits(clock, read_rate=10 * MB, cpus=0.5)
    for _ in range(100):
        clock.now += 0.01
        clock.cpu += 0.01
        limited.before_read(MB)
    assert clock.now - 100 == pytest.approx(10, abs=0.3)


def test_without_limits_nobody_waits(clock):
    limited = limits(clock)
    limited.before_read(MB)
    hurried = limits(clock, read_rate=1)
    hurried.enable(False)
    hurried.before_read(MB)
    assert clock.now == 100


def test_threads_share_one_limit():
    pace = Pace(1000, clock=lambda: 0.0)
    threads = [
        threading.Thread(target=lambda: [pace.wait_s(1) for _ in range(250)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pace.wait_s(0) == pytest.approx(1)


def test_who_waits_is_stopped():
    def wait(_: float) -> None:
        raise TransferStopped("stopped")

    limited = Limits(read_rate=1, cpus=None, wait=wait, clock=time.monotonic)
    with pytest.raises(TransferStopped):
        limited.before_read(MB)
