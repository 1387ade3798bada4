import json

import pytest

from rehost.cli import progress, units
from rehost.cli.look import ASCII, UNICODE
from tests.unit.test_picture import SNAPSHOTS, plain

NOW = 1_700_000_000_000
NAMES = (
    "CREATE_CLOUD_SERVER",
    "SSL_CONFIG",
    "ATTACH_AGENT_IMAGE",
    "FORMAT_DISK_LINUX_BLOCK",
    "MIGRATE_LINUX_BLOCK",
    "SYNC_LINUX_BLOCK",
    "CONFIGURE_LINUX_BLOCK",
    "DETTACH_AGENT_IMAGE",
)
SOURCE = {"replicatesize": 12 << 30, "totalsize": 31 << 30}


def phase(number, name, *, at):
    begun, done = number <= at, number < at
    return {
        "name": name,
        "progress": 100 if done else 38 if begun else 0,
        "start_date": NOW if begun else None,
        "end_date": NOW + 4000 if done else None,
        "process_trace": "",
    }


def task(state="RUNNING", at=4, percent=41, **more):
    return {
        "name": "move-web",
        "type": "MIGRATE_BLOCK",
        "state": state,
        "migrate_speed": 842.3,
        "speed_limit": 1000,
        "total_time": 95,
        "remain_seconds": 131,
        "error_json": "",
        "source_server": {"name": "web"},
        "target_server": {"name": "web-new"},
        "subtask_info": json.dumps({"progress": percent}),
        "sub_tasks": [phase(n, name, at=at) for n, name in enumerate(NAMES)],
        **more,
    }


def told(document, trace):
    """The same, with what the sub-task that is being done says."""
    phases = [dict(phase) for phase in document["sub_tasks"]]
    now = progress.current({"sub_tasks": phases})
    assert now
    now["process_trace"] = trace
    return document | {"sub_tasks": phases}


TRACE = (
    "31.4 MiB behind, 4.2 s; the source writes 120 MiB/s and 98 MiB/s can be sent: it does not "
    "catch up; a cut now would hold writes up for 0.41 s"
)
FAILED = task(
    "MIGRATE_FAIL",
    error_json=json.dumps([{"error_code": "REHOST.1", "error_msg": "the target's disk is full"}]),
)
PICTURES = {
    "task-told-80": (told(task(total_time=95), TRACE), 80),
    "task-stopped-80": (task("ABORT"), 80),
    "task-ready-80": (task("READY", -1, 0, total_time=0), 80),
    "task-starting-80": (told(task("SYNCING", 7, 98), "started; it is watched until it is up"), 80),
    "task-failed-80": (FAILED, 80),
    "task-done-80": (task("MIGRATE_SUCCESS", 8, 100), 80),
}


@pytest.mark.parametrize("name", PICTURES)
def test_picture_is_as_reviewed(name, monkeypatch):
    """To review a wanted change: delete the file, run again, look at it."""
    monkeypatch.setattr("time.time", lambda: NOW / 1000 + 83)
    document, width = PICTURES[name]
    drawn = plain(progress.draw(document, SOURCE, width, UNICODE), width)
    snapshot = SNAPSHOTS / f"{name}.txt"
    if not snapshot.exists():
        snapshot.write_text(drawn)
        pytest.fail(f"{snapshot} was missing; it is written now")
    assert drawn == snapshot.read_text()


@pytest.mark.parametrize("width", [40, 60, 80, 200])
@pytest.mark.parametrize(
    "document", [task(), told(task(), TRACE), FAILED, {}, {"sub_tasks": None, "state": 5}]
)
def test_every_line_fits_and_is_ascii_where_there_is_no_more(document, width):
    drawn = plain(progress.draw(document, SOURCE, width, ASCII), width)
    assert drawn.isascii()
    assert max(len(line) for line in drawn.splitlines()) <= width


def test_a_line_in_a_pipe_says_the_same():
    assert progress.line(task(), SOURCE) == (
        "RUNNING, 41 %, copy everything 38 %, 12 GiB of 31 GiB, 842 Mbit/s, "
        "about 2 min 11 s left, 1 min 35 s so far, limited to 1000 Mbit/s"
    )
    assert progress.line(FAILED, SOURCE).endswith("REHOST.1 the target's disk is full")


def test_an_agent_that_is_away_is_said():
    away = SOURCE | {"connected": False}
    said = "The agent of web is not connected; the task waits for it."
    assert said in plain(progress.draw(task(), away, 80, UNICODE), 80)
    assert progress.line(task(), away).endswith(said)
    assert progress.absent(task(), SOURCE | {"connected": True}) == []
    assert progress.absent(FAILED, away) == []


def test_the_whole_is_told_without_the_service_weighing_it():
    assert progress.percent_of(task(subtask_info=None)) == (4 * 100 + 38) // 8
    assert progress.percent_of({"subtask_info": "[]"}) == 0


def test_what_failed_before_is_not_shown_while_it_runs_again():
    assert progress.failures(FAILED | {"state": "RUNNING"}) == []
    assert progress.failures(FAILED) == ["REHOST.1 the target's disk is full"]
    assert progress.failures({"state": "ABORT", "error_json": "not JSON"}) == ["not JSON"]


def test_each_sub_task_of_the_flow_is_said_in_words():
    assert all(progress.phase_name({"name": name}) != name for name in NAMES)
    assert progress.phase_name({"name": "SOMETHING_NEW"}) == "SOMETHING_NEW"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (95, "1 min 35 s"), (7500, "2 h 5 min"),
     (86400, "1 d"), (90000, "1 d 1 h")],
)  # fmt: skip
def test_a_duration_has_two_units_at_most(seconds, said):
    assert units.duration(seconds) == said
