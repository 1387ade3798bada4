import threading
import time

import pytest

from rehost.control.errands import Done, Errands


class Wakes:
    def __init__(self):
        self.event = threading.Event()

    def __call__(self):
        self.event.set()

    def wait(self):
        assert self.event.wait(10)
        self.event.clear()


@pytest.fixture
def wakes():
    return Wakes()


@pytest.fixture
def errands(wakes):
    return Errands(wakes)


def result(errands, wakes, name, work):
    while (done := errands.turn("a", name, work)) is None:
        wakes.wait()
    return done


def test_what_comes_of_it_is_given_once(errands, wakes):
    began = []
    for _ in range(2):
        assert result(errands, wakes, "x", lambda _: began.append(1)) == Done(None)
    assert len(began) == 2


def test_none_is_something_that_comes_of_it(errands, wakes):
    assert result(errands, wakes, "x", lambda _: None) == Done(None)


def test_what_it_raises_is_raised_by_who_asks(errands, wakes):
    def work(_):
        raise LookupError("so")

    with pytest.raises(LookupError, match="so"):
        result(errands, wakes, "x", work)


def test_one_that_is_stopped_ends_and_gives_nothing(errands, wakes):
    begun = threading.Event()

    def work(stopped):
        begun.set()
        while not stopped():
            pass
        return "late"

    assert errands.turn("a", "x", work) is None
    assert begun.wait(10)
    errands.turn("b", "x", lambda _: 1)
    while not errands.stop("a"):
        wakes.wait()
    assert result(errands, wakes, "x", lambda _: "new") == Done("new")
    while (other := errands.turn("b", "x", lambda _: 2)) is None:
        wakes.event.wait(0.1)
    assert other == Done(1)


def test_what_was_stopped_is_begun_again_by_who_still_wants_it(errands, wakes):
    def work(stopped):
        while not stopped():
            pass
        return "cut short"

    errands.turn("a", "x", work)
    errands.stop("a")
    assert result(errands, wakes, "x", lambda _: "whole") == Done("whole")


def test_all_of_a_runner_that_is_cut_off_are_told_and_begun_again(wakes):
    is_cut_off = threading.Event()
    errands = Errands(wakes, is_cut_off.is_set)
    begun, ended = threading.Event(), threading.Event()

    def work(stopped):
        begun.set()
        while not stopped():
            pass
        ended.set()
        return "late"

    assert errands.turn("a", "x", work) is None
    assert begun.wait(10)
    is_cut_off.set()
    assert ended.wait(10)
    is_cut_off.clear()
    assert result(errands, wakes, "x", lambda _: "new") == Done("new")


def test_all_are_stopped_when_it_closes(errands):
    ended = threading.Event()

    def work(stopped):
        while not stopped():
            pass
        ended.set()

    errands.turn("a", "x", work)
    errands.close(patience_s=10)
    assert ended.is_set()


def test_many_that_do_not_listen_are_waited_for_no_longer_than_one(errands, monkeypatch):
    waits = []
    clock = iter([100.0, 100.0, 130.0])
    over = threading.Event()
    for name in "xy":
        errands.turn("a", name, lambda _: over.wait(10))
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "join", lambda _, limit: waits.append(limit))
        patched.setattr(time, "monotonic", lambda: next(clock))
        errands.close(patience_s=30)
    over.set()
    assert waits == [30, 0]
