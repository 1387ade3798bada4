"""The loop that keeps a copy in step, with a sender that has no network: two files."""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from rehost.cutover_errors import ChangesLost, CutTooLong
from rehost.model.ranges import Range
from rehost.stages.replicate import sync as sync_module
from rehost.stages.replicate.control import Control
from rehost.stages.replicate.memory import HELD
from rehost.stages.replicate.plan import readable
from rehost.stages.replicate.source import Source
from rehost.stages.replicate.sync import LAST_PASSES, LATENCY_S, LITTLE, PASSES, SMALL, Sync
from rehost.stream_errors import SourceResized

Ranges = Mapping[int, Sequence[Range]]
MIB = 1 << 20
SIZE = 16 * MIB
BLOCK = 65536
ALL = Range(0, SIZE)


class FakeSender:
    """Copies from the sources into memory, and notes what it was asked for."""

    def __init__(self, sources: Mapping[int, Source]) -> None:
        self.control = Control()
        self.held = HELD
        self.sources = sources
        self.copies = {id_: bytearray(source.size) for id_, source in sources.items()}
        self.sent: list[Ranges] = []
        self.compared: list[Ranges] = []
        self.discarded: list[Ranges] = []
        self.courteous = True
        self.while_sending: Callable[[], None] = lambda: None
        self.while_comparing: Callable[[], None] = lambda: None
        self.copies_nothing = False

    def first_pass(self, used: Ranges) -> None:
        self.send(used)

    def send(self, ranges: Ranges) -> None:
        self.sent.append(ranges)
        self.while_sending()
        if self.copies_nothing:
            return
        for disk, wanted in ranges.items():
            for item in readable(wanted, self.sources[disk].size):
                view = memoryview(self.copies[disk])[item.offset : item.end]
                self.sources[disk].read(item.offset, view)

    def discard(self, ranges: Ranges) -> None:
        self.discarded.append(ranges)

    def verify(self, ranges: Ranges, *, may_skip: bool = False) -> dict[int, tuple[Range, ...]]:
        self.compared.append(ranges)
        found = {}
        for disk, wanted in ranges.items():
            content = self.sources[disk].path.read_bytes()
            copy = self.copies[disk]
            blocks = [Range(at, BLOCK) for r in wanted for at in range(r.offset, r.end, BLOCK)]
            differ = [b for b in blocks if content[b.offset : b.end] != copy[b.offset : b.end]]
            if differ:
                found[disk] = tuple(differ)
        self.while_comparing()
        return found

    def be_courteous(self, wanted: bool) -> None:
        self.courteous = wanted


class Disk:
    """An image file, and a tracker of what `write` did to it."""

    def __init__(self, image: Path) -> None:
        self.image = image
        self.marks: list[Range] = []
        self.is_lost = False  # for the next look
        self.is_tracked = True

    def write(self, offset: int, content: bytes, *, marked: bool = True) -> None:
        with self.image.open("r+b") as file:
            file.seek(offset)
            file.write(content)
        if marked:
            self.marks.append(Range(offset, len(content)))

    def __call__(self) -> tuple[Range, ...] | None:
        marks, self.marks = tuple(sorted(self.marks)), []
        lost, self.is_lost = self.is_lost, False
        return None if lost or not self.is_tracked else marks


class Rig:
    def __init__(self, folder: Path) -> None:
        image = folder / "disk.img"
        image.write_bytes(os.urandom(SIZE))
        self.disk = Disk(image)
        self.source = Source(0, "/dev/vda", image)
        self.sender = FakeSender({0: self.source})
        self.used: tuple[Range, ...] = (ALL,)
        self.asked = 0
        self.sync = Sync(self.sender, {0: self.source}, {0: self.disk}, self._used_ranges)  # type: ignore[arg-type]

    def _used_ranges(self, _: Path) -> tuple[Range, ...]:
        self.asked += 1
        return self.used

    def amounts(self, sizes: Sequence[int]) -> None:
        """Each pass finds so much written; only that is told, and nothing is sent."""
        rest = iter(sizes)
        self.sync._follow = {0: lambda: (Range(0, size),) if (size := next(rest)) else ()}
        self.sender.copies_nothing = True

    @property
    def is_same(self) -> bool:
        return self.sender.copies[0] == self.disk.image.read_bytes()


@pytest.fixture
def rig(tmp_path: Path):
    rig = Rig(tmp_path)
    yield rig
    rig.source.close()


def test_all_that_is_used_is_sent_first_and_the_rest_is_given_back(rig):
    rig.used = (Range(0, 4 * MIB), Range(8 * MIB, MIB))
    rig.sync.first_pass()
    assert rig.sender.sent == [{0: rig.used}]
    assert rig.sender.discarded == [{0: (Range(4 * MIB, 4 * MIB), Range(9 * MIB, 7 * MIB))}]


def test_what_is_written_during_a_pass_is_in_the_next(rig):
    rig.sender.while_sending = lambda: rig.disk.write(MIB, os.urandom(BLOCK))
    rig.sync.first_pass()
    rig.sender.while_sending = lambda: None
    assert rig.sync.one_pass() == BLOCK
    assert rig.sender.sent[-1] == {0: (Range(MIB, BLOCK),)}
    assert rig.is_same
    assert rig.sync.one_pass() == 0


@pytest.mark.parametrize(
    ("written", "passes"),
    [
        ([0, 0, 99], 2),
        ([SMALL + 1, SMALL, 99], 2),
        ([100 * MIB, 70 * MIB, 50 * MIB, 30 * MIB, SMALL], 5),
        ([100 * MIB, 70 * MIB, 69 * MIB, 1], 3),  # hardly less: another brings nothing
        ([100 * MIB, 200 * MIB, 1], 2),
        ([int(SMALL * 1e9 * 0.79**n) for n in range(99)], PASSES + 1),
    ],
)
def test_it_settles_when_little_is_left_or_no_less_than_before(rig, written, passes):
    rig.amounts(written)
    assert rig.sync.settle() == written[passes - 1]
    assert len(rig.sender.sent) == passes


def test_it_keeps_in_step_until_it_is_told_to_stop(rig):
    rig.amounts([SMALL + 1, SMALL + 1, 0, 5, 99])
    ended, waits = threading.Event(), []

    def wait(seconds):
        waits.append(seconds)
        if len(waits) == 2:
            ended.set()

    rig.sync.keep(ended.is_set, wait)
    assert len(rig.sender.sent) == 4  # where much was written, the next pass does not wait


def test_verify_finds_what_went_wrong_and_sends_it_again(rig):
    rig.sync.first_pass()
    rig.sender.copies[0][5 * MIB] ^= 1
    assert rig.sync.verify().differed == {0: (Range(5 * MIB, BLOCK),)}
    rig.sync.one_pass()
    assert rig.sender.sent[-1] == {0: (Range(5 * MIB, BLOCK),)}
    assert rig.is_same
    assert rig.sync.verify().differed == {}


def test_verify_compares_what_was_used_at_first_and_all_that_was_sent_since(rig):
    rig.used = (Range(0, 4 * MIB), Range(8 * MIB, MIB))
    rig.sync.first_pass()
    rig.used = (ALL,)  # of what is allocated and not written, nothing was sent
    rig.disk.write(10 * MIB, os.urandom(BLOCK))
    rig.disk.write(3 * MIB, os.urandom(BLOCK))
    rig.sync.one_pass()
    rig.sender.copies[0][10 * MIB] ^= 1
    found = rig.sync.verify()
    assert rig.sender.compared == [
        {0: (Range(0, 4 * MIB), Range(8 * MIB, MIB), Range(10 * MIB, BLOCK))}
    ]
    assert found.differed == {0: (Range(10 * MIB, BLOCK),)}
    assert found.compared == {0: 5 * MIB + BLOCK}


def test_a_small_gap_that_was_sent_along_is_compared_too(rig):
    rig.used = (Range(0, BLOCK), Range(2 * BLOCK, BLOCK))
    rig.sync.first_pass()
    rig.sender.copies[0][BLOCK + 5] ^= 1
    found = rig.sync.verify()
    assert found.differed == {0: (Range(BLOCK, BLOCK),)}
    assert found.compared == {0: 3 * BLOCK}


def test_what_was_held_at_a_moment_is_compared_later(rig):
    rig.used = (Range(0, MIB),)
    rig.sync.first_pass()
    rig.disk.write(6 * MIB, os.urandom(BLOCK))
    rig.sync.hold_last()
    rig.sync.send_last()
    assert rig.sync.verify().compared == {0: MIB + BLOCK}


def test_verify_holds_nothing_against_what_is_being_written(rig):
    rig.sync.first_pass()
    written = iter([os.urandom(MIB)])

    def write():
        for content in written:  # once, after the pass and before the comparison
            rig.disk.write(2 * MIB, content)

    passed = rig.sync.one_pass

    def pass_then_write(**how):
        sent = passed(**how)
        write()
        return sent

    rig.sync.one_pass = pass_then_write
    rig.sender.copies[0][12 * MIB] ^= 1
    assert rig.sync.verify().differed == {0: (Range(12 * MIB, BLOCK),)}
    passed()
    assert rig.sender.sent[-1] == {0: (Range(2 * MIB, MIB), Range(12 * MIB, BLOCK))}
    assert rig.is_same


def test_what_is_not_known_is_compared_and_only_what_differs_is_sent(rig):
    rig.sync.first_pass()
    rig.disk.write(3 * MIB, os.urandom(BLOCK), marked=False)
    rig.disk.is_lost = True
    assert rig.sync.one_pass() == BLOCK
    assert rig.asked == 2  # what is used now, not what was at the beginning
    assert rig.is_same
    rig.sync.one_pass()
    assert len(rig.sender.compared) == 1  # known again


def cut(rig: Rig) -> bytes:
    """What the disk was while it was held."""
    moment = rig.disk.image.read_bytes()
    rig.sync.hold_last()
    return moment


def test_the_copy_is_what_the_disk_was_when_it_was_held(rig):
    rig.sync.first_pass()
    rig.disk.write(MIB, os.urandom(3 * BLOCK))
    moment = cut(rig)
    rig.disk.write(MIB + BLOCK, os.urandom(BLOCK))
    rig.disk.write(9 * MIB, os.urandom(BLOCK))
    rig.sync.send_last()
    assert rig.sender.copies[0] == moment
    standing = rig.sync.standing()
    assert (standing.lag, standing.stall_s) == (0, LATENCY_S)


def test_what_was_held_when_the_freeze_ended_is_never_sent(rig):
    rig.sync.first_pass()
    rig.disk.write(MIB, os.urandom(BLOCK))
    stale = cut(rig)[MIB : MIB + BLOCK]
    rig.disk.write(MIB, os.urandom(BLOCK))
    rig.disk.write(9 * MIB, os.urandom(BLOCK))
    rig.sync.give_up_last()
    rig.sync.one_pass()
    assert rig.sender.sent[-1] == {0: (Range(MIB, BLOCK), Range(9 * MIB, BLOCK))}
    assert rig.is_same
    assert stale not in rig.sender.copies[0]
    moment = cut(rig)
    rig.sync.send_last()
    assert rig.sender.copies[0] == moment == rig.disk.image.read_bytes()


def test_what_was_held_when_the_freeze_ended_is_sent_though_nobody_wrote_it_again(rig):
    rig.sync.first_pass()
    rig.disk.write(MIB, os.urandom(BLOCK))
    cut(rig)
    rig.sync.give_up_last()
    cut(rig)
    rig.sync.send_last()
    assert rig.is_same


def test_what_memory_does_not_hold_is_sent_at_once_and_lost_by_no_freeze(rig):
    rig.sender.held = MIB
    rig.sync.first_pass()
    rig.disk.write(MIB, os.urandom(2 * MIB))
    rig.sync.hold_last()
    assert rig.is_same
    rig.disk.write(MIB, os.urandom(BLOCK))
    rig.sync.give_up_last()
    assert rig.sync.one_pass() == BLOCK
    assert rig.is_same


def test_nothing_holds_up_what_others_wait_for(rig, monkeypatch):
    rig.sender.held = 0
    control = rig.sender.control
    control.set_limit(1000)
    control.pause()
    seen = []

    def look():
        control.gate()
        seen.append((control.limit, control.take(MIB), rig.sender.courteous))
        control.set_limit(2000)

    rig.sync.first_pass()
    rig.disk.write(MIB, os.urandom(BLOCK))
    rig.sender.while_sending = look
    rig.sync.hold_last()
    assert seen == [(None, MIB, False)]
    # Afterwards what holds is what was set last, not what was before.
    assert (control.limit, control.is_paused, rig.sender.courteous) == (2000, True, True)


def test_a_disk_that_is_never_known_is_compared_while_it_is_held(rig):
    rig.disk.is_tracked = False
    rig.sync.first_pass()
    rig.sync.prepare_last()
    rig.disk.write(MIB, os.urandom(BLOCK))
    moment = cut(rig)
    rig.disk.write(MIB, os.urandom(BLOCK))
    rig.sync.send_last()
    assert rig.sender.copies[0] == moment
    assert len(rig.sender.compared) == 2


def test_a_disk_that_is_never_known_is_read_twice_for_a_cut(rig):
    rig.disk.is_tracked = False
    rig.sync.first_pass()
    rig.sync.settle()
    rig.sync.verify()
    so_far = len(rig.sender.compared)
    assert so_far == 2  # by the first pass, which knows no better, and to verify
    rig.disk.write(MIB, os.urandom(BLOCK))
    rig.sync.settle()
    rig.sync.prepare_last()
    moment = cut(rig)
    rig.sync.send_last()
    assert rig.sender.copies[0] == moment
    assert len(rig.sender.compared) == so_far + 2


def test_what_a_disk_lost_that_is_tracked_is_found_before_the_cut(rig):
    rig.sync.first_pass()
    rig.sync.settle()
    rig.disk.write(3 * MIB, os.urandom(BLOCK), marked=False)
    rig.disk.is_lost = True
    rig.sync.settle()
    assert rig.is_same
    rig.sync.prepare_last()
    assert cut(rig) == rig.sender.copies[0]
    assert len(rig.sender.compared) == 1


def test_the_lag_of_a_disk_that_is_left_to_another_pass_grows(rig, clock):
    rig.disk.is_tracked = False
    rig.sync.first_pass()
    rig.sync.one_pass()
    for _ in range(3):
        clock.spend(5)
        rig.sync.one_pass(compare=False)
    assert rig.sync.standing().lag_s == 15
    rig.sync.one_pass()
    assert rig.sync.standing().lag_s == 0


@pytest.mark.parametrize(
    ("written", "passes"),
    [
        ([0, 99], 1),
        ([LITTLE, 99], 1),
        ([5 * MIB, 3 * MIB, LITTLE, 99], 3),
        ([5 * MIB, 4 * MIB, 1], 3),
        ([5 * MIB, 5 * MIB, 1], 2),  # hardly less: another brings nothing
        ([100 * MIB, 70 * MIB, 50 * MIB, 30 * MIB, 20 * MIB, 10 * MIB], 1 + LAST_PASSES),
    ],
)
def test_before_the_cut_passes_leave_little(rig, written, passes):
    rig.amounts(written)
    rig.sync.prepare_last()
    assert len(rig.sender.sent) == passes
    assert not rig.sender.control.orders.finish


def test_a_tracker_that_loses_events_at_the_cut_makes_it_begin_again(rig):
    rig.sync.first_pass()
    rig.sync.prepare_last()
    rig.disk.write(MIB, os.urandom(BLOCK), marked=False)
    rig.disk.is_lost = True
    with pytest.raises(ChangesLost, match="/dev/vda"):
        rig.sync.hold_last()
    assert rig.sender.compared == []  # not while everybody waits
    rig.sync.give_up_last()
    assert rig.sync.one_pass() == BLOCK  # though the tracker knows again
    moment = cut(rig)
    rig.sync.send_last()
    assert rig.sender.copies[0] == moment


def test_no_freeze_where_comparing_takes_longer_than_one_may(rig):
    rig.disk.is_tracked = False
    rig.sync.first_pass()
    rig.sync.prepare_last(3600)
    with pytest.raises(CutTooLong, match="/dev/vda is not tracked"):
        rig.sync.prepare_last(0)


def test_a_disk_that_grows_ends_it(rig):
    rig.sync.first_pass()
    os.truncate(rig.disk.image, SIZE + 4096)
    with pytest.raises(SourceResized):
        rig.sync.one_pass()
    with pytest.raises(SourceResized):
        rig.sync.hold_last()


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def spend(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(sync_module, "time", clock)
    return clock


def passes(rig: Rig, clock: Clock, *, each: int, takes_s: float, times: int = 8) -> None:
    rig.amounts([each] * times)
    rig.sender.while_sending = lambda: clock.spend(takes_s)
    for _ in range(times):
        rig.sync.one_pass()


def test_figures_of_a_source_that_writes_less_than_can_be_sent(rig, clock):
    rig.sync.first_pass()
    passes(rig, clock, each=20 * MIB, takes_s=1)
    clock.spend(3)
    rig.sync._follow = {0: lambda: (Range(0, 20 * MIB),)}
    rig.sync.one_pass()  # 20 MiB were written in 4 s, and took 1 s
    standing = rig.sync.standing()
    assert standing.passes == 9
    assert standing.lag == 20 * MIB
    assert standing.lag_s == 1.0
    assert standing.send_rate == pytest.approx(20 * MIB, rel=0.01)
    assert 5 * MIB < standing.change_rate < 20 * MIB
    assert standing.converge_s == pytest.approx(
        standing.lag / (standing.send_rate - standing.change_rate)
    )


def test_a_source_that_writes_more_than_can_be_sent_never_converges(rig, clock):
    rig.sync.first_pass()
    passes(rig, clock, each=100 * MIB, takes_s=2)
    standing = rig.sync.standing()
    # As each pass lasts as long as it takes to write as much again.
    assert standing.change_rate >= standing.send_rate * 0.99
    assert standing.converge_s is None
    assert standing.lag == 100 * MIB > HELD
    assert standing.stall_s == pytest.approx(LATENCY_S + 2, rel=0.01)  # all of it is sent then


def test_a_copy_that_is_in_step_says_so(rig, clock):
    rig.sync.first_pass()
    rig.amounts([0])
    rig.sync.one_pass()
    assert rig.sync.standing().converge_s == 0
    assert rig.sync.standing().stall_s == LATENCY_S


def test_the_stall_is_that_of_reading_where_memory_holds_it(rig, clock, monkeypatch):
    rig.sync.first_pass()
    read = [(0, 0.0)]
    monkeypatch.setattr(Source, "reading", property(lambda _: read[0]))

    def send() -> None:
        clock.spend(30)  # a slow link
        read[0] = (read[0][0] + 3 * MIB, read[0][1] + 0.03)

    rig.amounts([3 * MIB] * 3)
    rig.sender.while_sending = send
    rig.sync.one_pass()
    assert rig.sync.standing().stall_s == pytest.approx(LATENCY_S + 0.03)


def test_the_stall_has_the_comparing_in_it_where_nothing_is_tracked(rig, clock):
    rig.disk.is_tracked = False
    rig.sync.first_pass()
    rig.sender.while_comparing = lambda: clock.spend(7)
    rig.sync.one_pass()
    assert rig.sync.standing().stall_s == LATENCY_S + 7
