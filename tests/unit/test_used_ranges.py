from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rehost.model.ranges import Range, between
from rehost.storage.used.ranges import GRAIN, Holes, complement, merged, zero_runs
from rehost.storage.used.volume import Segment, below, joined

SIZE = 40 * GRAIN + 5
BORDERS = st.lists(st.integers(0, SIZE), max_size=40, unique=True)


def ranges(borders: list[int]) -> list[Range]:
    in_order = sorted(borders)
    return [between(a, b) for a, b in zip(in_order[::2], in_order[1::2], strict=False)]


def members(found: list[Range]) -> set[int]:
    return {byte for r in found for byte in range(r.offset, r.end)}


@given(BORDERS)
def test_used_has_all_that_is_not_free(borders):
    free, holes = ranges(borders), Holes()
    for r in free:
        holes.add(r)
    used = list(holes.used(SIZE))
    assert all(a.end < b.offset for a, b in pairwise(used))
    assert all(r.offset % GRAIN == 0 and (r.end % GRAIN == 0 or r.end == SIZE) for r in used)
    for r in complement(free, SIZE):
        assert any(u.offset <= r.offset and r.end <= u.end for u in used)


def test_of_many_holes_the_longest_are_kept():
    holes = Holes(grain=1, most=100)
    lengths = [1 + n * 7 % 500 for n in range(1000)]
    for n, length in enumerate(lengths):
        holes.add(Range(offset=n * 1000, length=length))
    assert sorted(r.length for r in holes) == sorted(lengths)[-100:]


@given(st.lists(st.integers(0, 200), max_size=20, unique=True), st.integers(0, 220))
def test_complement(borders, size):
    free = ranges(borders)
    assert members(list(complement(free, size))) == set(range(size)) - members(free)


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(1, 30)), max_size=20))
def test_merged(pairs):
    given = sorted(Range(offset=a, length=b) for a, b in pairs)
    found = list(merged(given))
    assert members(found) == members(given)
    assert all(a.end < b.offset for a, b in pairwise(found))


@given(st.binary(max_size=100), st.integers(1, 3))
def test_zero_runs(bitmap, least):
    for run in zero_runs(bitmap, least=least):
        assert run.length >= 8 * least
        assert not any(bitmap[run.offset // 8 : run.end // 8])


def test_joined_reads_across_segments():
    raw = bytes(range(100))
    segments = (
        Segment(inside=0, below=50, length=10),
        Segment(inside=10, below=5, length=20),
        Segment(inside=30, below=90, length=10),
    )
    read = joined(lambda offset, size: raw[offset : offset + size], segments, size=40)
    whole = raw[50:60] + raw[5:25] + raw[90:100]
    assert read(0, 40) == whole
    assert read(7, 25) == whole[7:32]
    assert list(below([Range(offset=8, length=4)], segments)) == [between(58, 60), between(5, 7)]
