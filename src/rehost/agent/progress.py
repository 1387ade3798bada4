"""What a sender says of its progress, in the API's words."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from rehost.model.tracking import Tracker

MIB = 1 << 20
MBIT = 1_000_000 / 8
SHOWN = 8
SUBTASKS = {"copying": "MIGRATE_LINUX_BLOCK", "syncing": "SYNC_LINUX_BLOCK"}
FIRST = {"START": "copying", "SYNC": "syncing"}

Progress = Mapping[str, Any]  # of stages/replicate/progress.py, as JSON


NOTHING_YET: Progress = {
    "disks": (),
    "wire_rate": 0.0,
    "ratio": None,
    "remaining_s": None,
    "trouble": "",
}


def progress_body(command: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """For PUT /v3/tasks/{task_id}/progress.

    100 % are kept for the end of a command, or the service would take it for done.
    """
    progress, phase = told["progress"], told.get("phase")
    disks = progress["disks"]
    total, done = (sum(disk[name] for disk in disks) for name in ("total", "done"))
    body: dict[str, Any] = {
        "subtask_name": SUBTASKS[phase or FIRST[command]],
        "progress": min(99, 100 * done // total) if total else 0,
        "replicatesize": done,
        "totalsize": total,
        "process_trace": "; ".join(_trace(told)),
        "migrate_speed": round(progress["wire_rate"] / MBIT, 2),
    }
    if progress["ratio"] is not None:
        body["compress_rate"] = round(progress["ratio"], 3)
    if total and progress["remaining_s"] is not None:
        body["remain_time"] = int(progress["remaining_s"])
    return body


def _trace(told: Mapping[str, Any]) -> Iterator[str]:
    """What the API has no field for, as an operator reads it."""
    if trouble := told["progress"]["trouble"]:
        yield trouble
    if why := told.get("waits"):
        yield why
    yield from _comparison(told)
    if lost := list(_unreadable(told["progress"]["disks"])):
        yield f"cannot be read, and are zeros: {', '.join(lost)}"
    standing = told.get("standing")
    if cut := (told.get("result") or {}).get("cut"):
        yield from _cut(cut)
    elif (number := told.get("holds")) is not None:
        yield f"the copy stands still for consistent point {number}, until the service has taken it"
    elif standing and standing["passes"]:
        yield from _standing(standing)
    trackers = told.get("trackers") or {}
    if slow := [disk for disk, chosen in trackers.items() if chosen["tracker"] == Tracker.RESCAN]:
        yield f"changes of {', '.join(slow)} are found by comparing all of it"
    elif trackers:
        kinds = sorted({chosen["tracker"] for chosen in trackers.values()})
        yield f"changes are tracked by {' and '.join(kinds)}"


def _comparison(told: Mapping[str, Any]) -> Iterator[str]:
    if told.get("comparing"):
        yield "source and target are compared"
    elif told.get("skip"):
        yield "the next comparison of source and target is skipped, as was asked for"


def _unreadable(disks: list[Mapping[str, Any]]) -> Iterator[str]:
    """The first of them: a disk that is dying may have thousands."""
    lost = [(disk["name"], r) for disk in disks for r in disk.get("unreadable") or ()]
    for name, r in lost[:SHOWN]:
        yield f"{r['length']} bytes at {r['offset']} of {name}"
    if len(lost) > SHOWN:
        left = sum(r["length"] for _, r in lost[SHOWN:])
        yield f"{left} bytes in {len(lost) - SHOWN} other places"


def _standing(standing: Mapping[str, Any]) -> Iterator[str]:
    yield f"{standing['lag_s']:.1f} s behind, {standing['lag'] / MIB:.1f} MiB in the last pass"
    change, send = standing["change_rate"], standing["send_rate"]
    converge = standing["converge_s"]
    if converge is None and change and send:
        yield (
            f"the source writes {change / MIB:.1f} MiB/s and {send / MIB:.1f} MiB/s can be sent: "
            "it does not catch up"
        )
    elif converge:
        yield f"in step in about {max(1, round(converge))} s"
    if standing["stall_s"] is not None:
        yield f"a cut now would hold writes up for about {standing['stall_s']:.2f} s"


def _cut(cut: Mapping[str, Any]) -> Iterator[str]:
    moment = datetime.fromtimestamp(cut["moment"], UTC).isoformat(timespec="milliseconds")
    if cut["frozen"]:
        yield f"the copy is of {moment}; writes waited {cut['duration_s']:.2f} s"
    else:
        yield f"the copy is of {moment}; nothing was mounted"
    for path, reason in cut["skipped"]:
        yield f"{path} was not frozen: {reason}"
    if failed := cut["failed_hooks"]:
        yield f"the copy is good, but hooks failed after the cut: {', '.join(failed)}"
