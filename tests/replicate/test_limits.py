"""What an operator lets a transfer have of the source is all that it takes."""

import time

import pytest

from rehost.model.ranges import Range
from rehost.model.task import Priority
from rehost.stages.replicate.sender import Options, Sender
from rehost.stages.replicate.source import Source
from tests.replicate.rig import MIB, Receiver, make_image

SIZE = 32 * MIB


@pytest.fixture
def send_all(tmp_path):
    """Sends a whole image; returns how long that took, and how much CPU time of this process."""
    image = make_image(tmp_path / "image", SIZE, holes=0)

    def send(options):
        source = Source(0, "/dev/vda", image)
        began, used = time.monotonic(), time.process_time()
        with Sender(receiver.peer, [source], options=options) as sender:
            sender.connect()
            sender.first_pass({0: [Range(0, SIZE)]})
        source.close()
        return time.monotonic() - began, time.process_time() - used

    with Receiver(tmp_path / "notes", tmp_path / "target", SIZE) as receiver:
        yield send


def test_a_source_is_read_no_faster_than_it_may_be(send_all):
    took, _ = send_all(Options(priority=Priority.HIGH, read_rate=16 * MIB))
    assert took > 0.8 * SIZE / (16 * MIB)


def test_a_transfer_uses_no_more_cpu_time_than_it_may(send_all):
    took, used = send_all(Options(priority=Priority.HIGH, cpus=0.1))
    assert used / took < 0.15
