import pytest

from rehost.control import throttle
from rehost.control.throttle import Throttle
from rehost.errors import TooManyRequests


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def slow(clock):
    return Throttle(clock=clock)


def fail(slow, times, user="ann", address="1.2.3.4"):
    for _ in range(times):
        slow.attempt(user, address)


def wait(slow, user="ann", address="1.2.3.4") -> int:
    with pytest.raises(TooManyRequests) as caught:
        slow.attempt(user, address)
    return caught.value.retry_after_s


def test_a_few_typing_errors_cost_nothing(slow):
    fail(slow, throttle.FREE_PAIR)


def test_more_cost_longer_and_longer(slow, clock):
    fail(slow, throttle.FREE_PAIR)
    waits = []
    for _ in range(8):
        waits.append(wait(slow))
        clock.now += waits[-1]
        fail(slow, 1)
    assert waits[:3] == [1, 2, 4]
    assert waits == sorted(waits)
    assert max(waits) <= throttle.LONGEST_S


def test_waiting_attempts_do_not_make_the_wait_longer(slow):
    fail(slow, throttle.FREE_PAIR)
    assert [wait(slow) for _ in range(5)] == [1] * 5


def test_others_are_not_slowed(slow):
    fail(slow, throttle.FREE_PAIR)
    fail(slow, 1, user="bob")
    fail(slow, 1, address="5.6.7.8")


def test_one_user_from_many_addresses_is_slowed(slow):
    for n in range(throttle.FREE_USER):
        fail(slow, 1, address=str(n))
    assert wait(slow, address="new") == 1


def test_many_users_from_one_address_are_slowed(slow):
    for n in range(throttle.FREE_ADDRESS):
        fail(slow, 1, user=str(n))
    assert wait(slow, user="new") == 1


def test_nobody_is_locked_out_from_where_it_has_logged_in(slow):
    fail(slow, 1)
    slow.succeeded("ann", "1.2.3.4")
    for n in range(throttle.FREE_USER):
        fail(slow, 1, address=str(n))
    for n in range(throttle.FREE_ADDRESS):
        fail(slow, 1, user=str(n))
    assert wait(slow, user="new")
    fail(slow, throttle.FREE_PAIR)
    assert wait(slow)  # what fails there still counts


def test_a_log_in_forgives(slow):
    fail(slow, throttle.FREE_PAIR)
    slow.succeeded("ann", "1.2.3.4")
    fail(slow, throttle.FREE_PAIR)
    assert wait(slow)


def test_logging_in_does_not_cover_guessing_at_others(slow):
    for n in range(throttle.FREE_ADDRESS - 1):
        fail(slow, 1, user=str(n))
        fail(slow, 1, user="own")
        slow.succeeded("own", "1.2.3.4")
    fail(slow, 1, user="last")
    assert wait(slow, user="new")


def test_logging_in_often_costs_nothing(slow):
    for _ in range(200):
        fail(slow, 1)
        slow.succeeded("ann", "1.2.3.4")


def test_failures_are_forgiven_in_time(slow, clock):
    fail(slow, throttle.FREE_PAIR)
    clock.now += throttle.FREE_PAIR * throttle.FORGIVEN_S
    fail(slow, throttle.FREE_PAIR)


def test_memory_is_bounded(slow, clock):
    for n in range(throttle.KEPT):
        clock.now += throttle.LONGEST_S
        fail(slow, 1, user=str(n), address=str(n))
    assert len(slow._failures) <= throttle.KEPT


def test_memory_of_those_who_logged_in_is_bounded(slow):
    for n in range(throttle.KEPT + 1):
        slow.succeeded(str(n), "1.2.3.4")
    assert len(slow._at_home) == throttle.KEPT
