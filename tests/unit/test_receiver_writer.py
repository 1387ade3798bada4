import threading

import pytest

from rehost.contract.frames import BLOCK, Codec, Data
from rehost.receiver.writer import Writer
from rehost.stream_errors import TargetFull


class Target:
    """Holds the first write up until it may go on; keeps all, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.began, self.may_go_on = threading.Event(), threading.Event()
        self.writes: list[tuple[list[int], bytes]] = []
        self._error = error

    def write(self, run, content) -> None:
        self.began.set()
        self.may_go_on.wait(30)
        if self._error:
            raise self._error
        self.writes.append(([data.offset for data in run], bytes(content)))


@pytest.fixture
def writer():
    writer = Writer()
    yield writer
    writer.close()


def put(writer, target, offset, content) -> None:
    writer.room()[: len(content)] = content
    data = Data(disk=0, offset=offset, length=len(content), codec=Codec.RAW, digest=b"", payload=0)
    writer.write(target, data)


def test_what_follows_on_the_disk_is_written_at_once(writer):
    target = Target()
    blocks = [bytes([number]) * BLOCK for number in range(6)]
    put(writer, target, 9 * BLOCK, blocks[0])
    assert target.began.wait(30)
    for place, number in ((0, 1), (1, 2), (2, 3)):
        put(writer, target, place * BLOCK, blocks[number])
    target.may_go_on.set()
    writer.settle()
    assert target.writes == [
        ([9 * BLOCK], blocks[0]),
        ([0, BLOCK, 2 * BLOCK], blocks[1] + blocks[2] + blocks[3]),
    ]


def test_other_places_and_parts_of_blocks_are_written_on_their_own(writer):
    target = Target()
    put(writer, target, 0, b"a" * BLOCK)
    assert target.began.wait(30)
    put(writer, target, BLOCK, b"b" * 512)
    put(writer, target, 2 * BLOCK, b"c" * BLOCK)
    put(writer, target, 5 * BLOCK, b"d" * BLOCK)
    target.may_go_on.set()
    writer.settle()
    assert [(offsets, len(content)) for offsets, content in target.writes] == [
        ([0], BLOCK),
        ([BLOCK], 512),
        ([2 * BLOCK], BLOCK),
        ([5 * BLOCK], BLOCK),
    ]


def test_all_is_in_its_order_and_its_place_however_much_it_is(writer):
    target = Target()
    target.may_go_on.set()
    contents = [number.to_bytes(2, "big") * (BLOCK // 2) for number in range(50)]
    for number, content in enumerate(contents):
        put(writer, target, number * BLOCK, content)
    writer.settle()
    assert b"".join(content for _, content in target.writes) == b"".join(contents)
    assert [o for offsets, _ in target.writes for o in offsets] == [n * BLOCK for n in range(50)]


def test_what_writing_raises_is_raised_and_nothing_is_written_after_it(writer):
    target, whole = Target(TargetFull("no space")), Target()
    whole.may_go_on.set()
    put(writer, target, 0, b"x" * BLOCK)
    put(writer, whole, 0, b"y" * BLOCK)
    target.may_go_on.set()
    with pytest.raises(TargetFull):
        writer.settle()
    with pytest.raises(TargetFull):
        writer.room()
    assert not whole.writes


def test_close_waits_for_what_is_being_written():
    writer, target = Writer(), Target()
    put(writer, target, 0, b"x" * BLOCK)
    assert target.began.wait(30)
    put(writer, target, BLOCK, b"y" * BLOCK)
    target.may_go_on.set()
    writer.close()
    assert [offsets for offsets, _ in target.writes] == [[0], [BLOCK]]
