import os
import signal

from rehost.cli import demo_service
from rehost.system.claims import claim


def test_a_name_is_one_holders_until_it_lets_go():
    name = f"test/{os.getpid()}"
    held = claim(name)
    assert held is not None
    assert claim(name) is None
    held.close()
    again = claim(name)
    assert again is not None
    again.close()


def test_a_name_is_free_again_when_its_holder_was_killed():
    name = f"test/killed/{os.getpid()}"
    ready, held = os.pipe()
    child = os.fork()
    if child == 0:
        kept = claim(name)
        os.write(held, b"x" if kept else b"-")
        signal.pause()
    assert os.read(ready, 1) == b"x"
    assert claim(name) is None
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    again = claim(name)
    assert again is not None
    again.close()


def test_two_demos_that_start_at_once_have_ports_of_their_own():
    with demo_service.free_port() as one, demo_service.free_port() as two:
        assert one != two
