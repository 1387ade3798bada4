"""What a sender says of its progress, in the API's words."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

BLOCK = 1 << 20
MBIT = 1_000_000 / 8
SUBTASKS = {"copying": "MIGRATE_LINUX_BLOCK", "syncing": "SYNC_LINUX_BLOCK"}
FIRST = {"START": "copying", "SYNC": "syncing"}

Progress = Mapping[str, Any]  # of stages/replicate/progress.py, as JSON


def progress_body(command: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """For PUT /v3/tasks/{task_id}/progress.

    100 % are kept for the end of a command, or the service would take it for done. In the trace
    is what the API has no field for: JSON, for who looks closer.
    """
    progress, phase = told["progress"], told.get("phase")
    disks = progress["disks"]
    trace = {
        "disks": disks,
        "trouble": progress["trouble"],
        "standing": told.get("standing"),
        "trackers": told.get("trackers"),
    }
    total, done = (sum(disk[name] for disk in disks) for name in ("total", "done"))
    body: dict[str, Any] = {
        "subtask_name": SUBTASKS[phase or FIRST[command]],
        "progress": min(99, 100 * done // total) if total else 0,
        "replicatesize": done,
        "totalsize": total,
        "process_trace": json.dumps(trace),
        "migrate_speed": round(progress["wire_rate"] / MBIT, 2),
    }
    if progress["ratio"] is not None:
        body["compress_rate"] = round(progress["ratio"], 3)
    if progress["remaining_s"] is not None:
        body["remain_time"] = int(progress["remaining_s"])
    return body


def consistency(result: Mapping[str, Any], progress: Progress | None) -> list[dict[str, Any]]:
    """A row for each disk whose used blocks were compared at both ends.

    The API counts files; here they are blocks of a MiB. None is missing or too many on the target.
    """
    verified = result.get("verified")
    if not verified or not progress:
        return []
    return list(_rows(verified["differed"], progress["disks"]))


def _rows(differed: Mapping[str, Any], disks: list[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for disk in disks:
        wrong = {
            block
            for r in differed.get(str(disk["id"]), ())
            for block in range(r["offset"] // BLOCK, -(-(r["offset"] + r["length"]) // BLOCK))
        }
        yield {
            "dir_check": disk["name"],
            "num_total_files": -(-disk["verified"] // BLOCK),
            "num_different_files": len(wrong),
            "num_target_miss_files": 0,
            "num_target_more_files": 0,
        }
