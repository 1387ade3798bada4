"""Many starts at once, on a host that has not so much memory."""

import threading
import time
from dataclasses import replace

import msgspec
import pytest

from rehost.control import launching
from rehost.control.errands import Errands
from rehost.control.launching import CONVERSIONS, Launching
from rehost.control.task_record import Launch, LaunchState
from rehost.convert_errors import ConversionStopped
from rehost.model.server import Report
from rehost.providers.base import TargetServer
from rehost.stages import convert
from tests.compat.bodies import linux
from tests.unit.test_launches import CHANGED, Machines

MANY = CONVERSIONS + 3
LIMIT_S = 20.0
REPORT = msgspec.convert(linux(), Report)


class Conversions:
    """Stands for conversions that end when they may; notes how many ran at once."""

    def __init__(self) -> None:
        self.may_end = threading.Event()
        self.running = self.most = 0
        self._lock = threading.Lock()

    def __call__(self, *_, **__) -> tuple[str, ...]:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        assert self.may_end.wait(LIMIT_S)
        with self._lock:
            self.running -= 1
        return CHANGED


@pytest.fixture
def conversions(monkeypatch):
    made = Conversions()
    monkeypatch.setattr(convert, "convert", made)
    monkeypatch.setattr(launching, "PATIENCE_S", 0.01)
    return made


def walk(tmp_path) -> tuple[Launching, Errands]:
    errands = Errands()
    return Launching(Machines(), errands, tmp_path, limit_s=0), errands


def prepare(walked: Launching, number: int) -> Launch | None:
    server = TargetServer(id=f"t{number}", name="t", disks=())
    launch = Launch(state=LaunchState.STARTING, server=server)
    return walked.prepare(f"t{number}", launch, REPORT, convert.Options(hostname="another"))


def until(found) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_few_systems_are_converted_at_once_and_all_in_the_end(tmp_path, conversions):
    walked, _ = walk(tmp_path)
    assert [prepare(walked, number) for number in range(MANY)] == [None] * MANY
    until(lambda: conversions.running == CONVERSIONS)
    assert [prepare(walked, number) for number in range(MANY)] == [None] * MANY
    conversions.may_end.set()
    left = set(range(MANY))
    while left:
        for number in list(left):
            if (after := prepare(walked, number)) is not None:
                assert after.is_prepared
                assert after.changed == CHANGED
                left.remove(number)
        time.sleep(0.01)
    assert conversions.most == CONVERSIONS


def test_one_that_waits_for_its_turn_can_be_stopped(tmp_path, conversions):
    walked, errands = walk(tmp_path)
    for number in range(CONVERSIONS + 1):
        prepare(walked, number)
    until(lambda: conversions.running == CONVERSIONS)
    until(lambda: errands.stop(f"t{CONVERSIONS}"))
    conversions.may_end.set()
    until(lambda: prepare(walked, 0))


def test_a_runner_that_is_cut_off_touches_no_server(tmp_path, conversions):
    """Another one may drive the same task by now."""
    machines, ended = Machines(), threading.Semaphore(0)
    walked = Launching(machines, Errands(ended.release, lambda: True), tmp_path, limit_s=LIMIT_S)
    machines.layered = {"t0"}
    server = TargetServer(id="t0", name="t", disks=())
    launch = Launch(state=LaunchState.STARTING, server=server)
    assert prepare(walked, 0) is None
    assert walked.start("t1", replace(launch, is_prepared=True), None) is None
    assert walked.take_down("t2", launch, hard=True) is None
    for _ in range(3):
        assert ended.acquire(timeout=LIMIT_S)
    assert (machines.layered, machines.calls) == ({"t0"}, [])
    assert not conversions.most


def test_a_stopped_turn_says_so(tmp_path, conversions):
    walked, _ = walk(tmp_path)
    for number in range(CONVERSIONS):
        prepare(walked, number)
    until(lambda: conversions.running == CONVERSIONS)
    with pytest.raises(ConversionStopped), walked._turn(lambda: True):
        pass
    conversions.may_end.set()
