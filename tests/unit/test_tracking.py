"""The parts of the trackers that need no kernel."""

from pathlib import Path

import pytest

from rehost.errors import BadFormat
from rehost.model.ranges import Range
from rehost.stages.replicate.followed import Waiting, joined, within
from rehost.stages.replicate.track_ebpf import Skips
from rehost.system import blktrace
from rehost.system.block_programs import Bounds, Lost
from rehost.system.blockdev import Place
from rehost.system.marks import LEVELS, Device, lay_out, merged
from rehost.system.tracefs import parse_format

KIB, MIB, TIB = 1 << 10, 1 << 20, 1 << 40
A, B, C = Range(0, 4096), Range(8192, 4096), Range(65536, 4096)


def place(path="/dev/vda", *, start=0, size=TIB):
    disk = Device(number=254 << 20, size=TIB)
    return Place(path=path, disk=disk, start=start, size=size, sys=Path(), whole="/dev/vda")


def test_a_disk_of_1_tib_takes_less_than_20_mb():
    layout = lay_out([Device(number=1, size=TIB)])
    assert layout.shift == 16
    assert layout.size < 20_000_000


def test_larger_disks_get_larger_blocks_and_not_more_memory():
    layout = lay_out([Device(number=n, size=16 * TIB) for n in range(3)])
    assert 1 << layout.shift == MIB
    assert layout.size < 72 * MIB


def test_areas_do_not_overlap():
    layout = lay_out([Device(number=n, size=n * 100 * MIB + 512) for n in (1, 2, 3)])
    edges = [edge for a in layout.areas for edge in (*a.starts, a.outside)]
    assert edges == sorted(set(edges))
    assert edges[-1] < layout.size


def test_marks_of_all_levels_become_ranges_within_the_disk():
    layout = lay_out([Device(number=1, size=100 * MIB + 4096)])
    [area] = layout.areas
    fine, coarse = area.starts[0], area.starts[1]
    marks = [(fine + 1, fine + 3), (fine + 1600, fine + 1601), (coarse, coarse + 2)]
    assert merged(area, layout, marks) == (Range(0, 2 * MIB), Range(100 * MIB, 4096))
    top = area.starts[LEVELS - 1]
    assert merged(area, layout, [(top, top + 1)]) == (Range(0, 100 * MIB + 4096),)
    assert merged(area, layout, []) == ()


def test_a_partition_gets_its_part_counted_from_its_start():
    part = place("/dev/vda1", start=MIB, size=MIB)
    assert within(part, [Range(0, MIB + 4096), Range(2 * MIB - 4096, 8192), Range(0, MIB)]) == (
        Range(0, 4096),
        Range(MIB - 4096, 4096),
    )


def test_joined_ranges_are_in_order_and_apart():
    assert joined([C, Range(4096, 4096), A, Range(100, 10)]) == (Range(0, 8192), C)


def test_what_one_path_takes_waits_for_the_others():
    waiting = Waiting([place("/dev/vda"), place("/dev/vda1", start=MIB, size=MIB)])
    waiting.add([A, Range(MIB, 4096)])
    assert waiting.take("/dev/vda") == (A, Range(MIB, 4096))
    waiting.add(None)
    assert waiting.take("/dev/vda1") is None
    assert waiting.take("/dev/vda1") == ()
    assert waiting.take("/dev/vda") is None


def lost(issued: int, completed: int) -> Lost:
    return Lost(Bounds(issued, issued), Bounds(completed, completed))


def test_without_losses_each_block_is_returned_once():
    skips = Skips(lost(3, 4))
    assert skips.judge((A,), lost(3, 4)) == (A,)
    assert skips.judge((B,), lost(3, 4)) == (B,)


def test_what_was_returned_is_returned_again_when_a_completion_was_lost():
    skips = Skips(lost(0, 0))
    assert skips.judge((A,), lost(0, 0)) == (A,)
    assert skips.judge((B,), lost(0, 0)) == (B,)
    assert skips.judge((C,), lost(0, 1)) == (A, B, C)
    assert skips.judge((), lost(0, 1)) == ()


@pytest.mark.parametrize(
    ("first", "second"), [((1, 0), (1, 1)), ((0, 1), (1, 1)), ((0, 0), (1, 1))]
)
def test_all_is_compared_when_both_events_of_a_write_may_have_been_lost(first, second):
    skips = Skips(lost(0, 0))
    assert skips.judge((A,), lost(*first)) is not None
    assert skips.judge((B,), lost(*second)) is None


def test_a_count_that_is_not_exact_is_taken_for_a_loss():
    skips = Skips(lost(0, 0))
    assert skips.judge((A,), Lost(Bounds(0, 0), Bounds(0, 1))) == (A,)
    assert skips.judge((B,), Lost(Bounds(0, 0), Bounds(0, 1))) == (A, B)


FORMAT = """name: block_rq_complete
ID: 1234
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;

\tfield:dev_t dev;\toffset:8;\tsize:4;\tsigned:0;
\tfield:sector_t sector;\toffset:16;\tsize:8;\tsigned:0;
\tfield:unsigned int nr_sector;\toffset:24;\tsize:4;\tsigned:0;
\tfield:char rwbs[8];\toffset:32;\tsize:8;\tsigned:1;
\tfield:__data_loc char[] cmd;\toffset:40;\tsize:4;\tsigned:1;
"""


def test_offsets_are_read_from_the_format_of_an_event():
    offsets = parse_format(FORMAT)
    wanted = {"dev": 8, "sector": 16, "nr_sector": 24, "rwbs": 32, "cmd": 40, "common_type": 0}
    assert offsets == wanted
    with pytest.raises(BadFormat):
        parse_format("nothing")


def record(sector: int, size: int, action: int, more: bytes = b"") -> bytes:
    return (
        blktrace.RECORD.pack(0x65617407, 1, 2, sector, size, action, 3, 4, 0, 0, len(more)) + more
    )


def test_records_of_blktrace_are_read_as_they_arrive():
    written = record(8, 4096, 7 | 2 << 16) + record(0, 0, 1 | 1 << 26, b"name")
    written += record(16, 512, 8 | 2 << 16, b"abc")
    wanted = [blktrace.Seen(7, 4096, 4096), blktrace.Seen(8, 8192, 512)]
    assert blktrace.parse(written) == (wanted, b"")
    events, rest = blktrace.parse(written[:-1])
    assert events == wanted[:1]
    assert blktrace.parse(rest + written[-1:]) == (wanted[1:], b"")
    with pytest.raises(BadFormat):
        blktrace.parse(bytes(48))
