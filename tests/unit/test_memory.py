import pytest

from rehost.stages.replicate.memory import BASE, CONNECTION, HELD, MB, Memory, shared_out


def test_without_limits_it_is_what_is_usual():
    assert shared_out(None, connections=4, cache=None) == Memory(4, HELD)
    assert shared_out(None, connections=4, cache=20 * MB) == Memory(4, 20 * MB)


@pytest.mark.parametrize("limit", range(70 * MB, 400 * MB, 13 * MB))
@pytest.mark.parametrize("connections", [1, 4, 8])
def test_a_limit_is_kept(limit, connections):
    memory = shared_out(limit, connections=connections, cache=None)
    assert 1 <= memory.connections <= connections
    assert BASE + memory.connections * CONNECTION + memory.held <= limit


def test_both_are_made_smaller():
    assert shared_out(100 * MB, connections=4, cache=None) == Memory(2, 30 * MB)


def test_there_is_always_a_connection():
    assert shared_out(1, connections=4, cache=None) == Memory(1, 0)


def test_what_is_enough_changes_nothing():
    assert shared_out(500 * MB, connections=8, cache=None) == Memory(8, HELD)
