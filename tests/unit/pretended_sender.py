"""Stands in for the process that copies: notes what it is told, and ends as its task's id says."""

import json
import os
import signal
import sys
import time
from pathlib import Path

PROGRESS = {
    "disks": [{"id": 0, "name": "/dev/vda", "total": 2, "done": 1, "sent": 1, "verified": 2}],
    "rate": 1.0,
    "wire_rate": 1.0,
    "ratio": None,
    "remaining_s": None,
    "trouble": "",
}


def main() -> None:
    job = json.loads(sys.stdin.readline())
    with Path(job["hooks"]).with_name("noted").open("a") as notes:
        print(json.dumps(job), file=notes, flush=True)
        if job["task_id"] == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        trouble = {"trouble": "cut off"} if job["task_id"] == "cut-off" else {}
        print(json.dumps({"progress": PROGRESS | trouble}), flush=True)
        if job["task_id"] == "copied":
            result = {"verified": {"differed": {}}, "cut": {"moment": 0, **cut()}}
            print(json.dumps({"result": result}), flush=True)
            return
        if job["task_id"] == "in-step":
            print('{"phase": "syncing"}', flush=True)
        for line in sys.stdin:
            print(line.strip(), file=notes, flush=True)
            if (number := json.loads(line).get("point")) is not None:
                print(json.dumps({"point": {"number": number, **cut()}}), flush=True)


def cut() -> dict[str, object]:
    """A moment a second ago."""
    held: dict[str, object] = {"stood_at": time.monotonic() - 1, "duration_s": 0.05}
    return held | {"frozen": ["/"], "skipped": [["/boot/efi", "vfat"]], "failed_hooks": []}


if __name__ == "__main__":
    main()
