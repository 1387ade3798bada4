from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from rehost.cli import bars, picture, report
from rehost.cli.look import ASCII, OTHER, UNICODE
from tests.unit import sources_for_pictures as sources

SNAPSHOTS = Path(__file__).parent / "pictures"


def plain(renderable, width: int) -> str:
    """As a terminal of `width` columns shows it, without colours and trailing spaces."""
    console = Console(width=width, color_system=None, force_terminal=False, legacy_windows=False)
    with console.capture() as capture:
        console.print(renderable)
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())


@pytest.mark.parametrize(
    ("name", "width"),
    [(name, 80) for name in sources.ALL] + [("lvm", 120), ("example", 120)],
)
def test_picture_is_as_reviewed(name, width):
    """To review a wanted change: delete the file, run again, look at it."""
    drawn = plain(picture.draw(sources.ALL[name], width, UNICODE), width)
    snapshot = SNAPSHOTS / f"{name}-{width}.txt"
    if not snapshot.exists():
        snapshot.write_text(drawn)
        pytest.fail(f"{snapshot} was missing; it is written now")
    assert drawn == snapshot.read_text()


def test_report_is_as_reviewed():
    drawn = plain(report.draw(sources.LVM, 80, UNICODE), 80)
    assert drawn == (SNAPSHOTS / "report-80.txt").read_text()


@pytest.mark.parametrize("name", sources.ALL)
@pytest.mark.parametrize("width", [40, 80, 133])
def test_ascii_fallback_is_ascii_and_fits(name, width):
    drawn = plain(report.draw(sources.ALL[name], width, ASCII), width)
    assert drawn.isascii()
    assert max(len(line) for line in drawn.splitlines()) <= width


def test_partition_of_a_mebibyte_on_16_tebibytes_is_seen():
    bar = plain(picture.draw(sources.TINY, 80, UNICODE), 80).splitlines()[2]
    assert bar.startswith("│▒▒│█░│█")


def test_shading_tells_used_from_free():
    first = plain(picture.draw(sources.EXAMPLE, 80, UNICODE), 80).splitlines()[2]
    used, free = first.count("█"), first.count("░")
    assert used / (used + free) == pytest.approx(0.55, abs=0.02)


def test_control_characters_of_a_source_do_not_reach_the_terminal():
    hostile = sources.source(name="a\x1b[2Jb", disks=[sources.disk("s\x1b]0;x\x07", "", 1 << 30)])
    assert "\x1b" not in plain(report.draw(hostile, 80, UNICODE), 80)
    assert "\x07" not in plain(report.draw(hostile, 80, UNICODE), 80)


@pytest.mark.parametrize("document", [{}, dict.fromkeys(sources.source()), {"disks": [{}]}])
def test_absent_and_null_fields_are_drawn(document):
    assert plain(report.draw(document, 80, UNICODE), 80)


@given(
    sizes=st.lists(st.integers(0, 1 << 60), min_size=1, max_size=40),
    columns=st.integers(80, 200),
)
def test_columns_are_shared_exactly_and_nobody_starves(sizes, columns):
    shared = bars.share(sizes, columns, least=2)
    assert sum(shared) == columns
    assert min(shared) >= 2


@given(sizes=st.lists(st.integers(0, 1 << 60), min_size=1, max_size=300), width=st.integers(20, 99))
def test_every_line_of_a_bar_is_exactly_as_wide_as_asked(sizes, width):
    segments = [bars.Segment(kind=OTHER, size=s, used=None, labels=()) for s in sizes]
    assert {len(line.plain) for line in bars.draw(segments, width, UNICODE)} == {width}


@given(size=st.integers(2, 1 << 60), used=st.integers(0, 1 << 60), columns=st.integers(2, 100))
def test_a_little_used_or_free_space_shows(size, used, columns):
    shown = bars.used_columns(used, size, columns)
    assert (shown == 0) == (used == 0)
    assert (shown == columns) == (used >= size)
