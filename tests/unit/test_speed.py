import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehost.model.speed import DAY, SpeedRow, limit_at, minute, overlap, ranges, whole_day


def row(start: str, end: str, speed: int = 10) -> SpeedRow:
    return SpeedRow(start=start, end=end, speed=speed)


@pytest.mark.parametrize(
    ("text", "at"),
    [("00:00", 0), ("8:05", 485), ("23:59", 1439), ("24:00", 1440), ("24:01", None),
     ("12:60", None), ("99:00", None), ("", None), ("12", None), ("12:00\n", None),
     ("١٢:٠٠", None)],
)  # fmt: skip
def test_times_of_a_day(text: str, at: int | None):
    assert minute(text) == at


def test_a_row_may_go_on_past_midnight():
    rows = (row("22:00", "06:00"),)
    assert [limit_at(rows, at * 60) for at in (21, 22, 23, 0, 5, 6)] == [0, 10, 10, 10, 10, 0]


def test_a_row_that_ends_where_it_starts_is_the_whole_day():
    assert all(limit_at((row("09:00", "09:00"),), at) == 10 for at in range(DAY))


def test_midnight_belongs_to_what_starts_then():
    rows = (row("18:00", "24:00", 1), row("00:00", "06:00", 2))
    assert overlap(rows) is None
    assert (limit_at(rows, DAY - 1), limit_at(rows, 0)) == (1, 2)


def test_overlapping_rows_are_found():
    both = row("08:00", "10:00"), row("09:59", "12:00")
    assert overlap(both) == both
    assert overlap((row("22:00", "02:00"), row("01:59", "03:00"))) is not None


def test_no_time_is_refused():
    with pytest.raises(ValueError, match="25:00"):
        list(ranges(row("25:00", "26:00")))


times = st.integers(0, DAY).map(lambda at: f"{at // 60:02}:{at % 60:02}")
rows = st.lists(st.builds(row, times, times, st.integers(1, 1000)), max_size=4)


@given(rows=rows, otherwise=st.integers(0, 10000))
def test_the_whole_day_says_what_each_row_and_else_the_limit_says(rows, otherwise):
    if overlap(rows):
        return
    whole = whole_day(rows, otherwise)
    assert overlap(whole) is None
    for at in range(0, DAY, 7):
        said = limit_at(rows, at)
        assert limit_at(whole, at) == (said or otherwise)
    if otherwise:
        assert sum(len(part) for each in whole for part in ranges(each)) == DAY


def test_without_any_limit_there_is_one_row_that_says_so():
    assert whole_day((), 0) == (row("00:00", "24:00", 0),)
