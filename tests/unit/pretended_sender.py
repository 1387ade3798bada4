"""Stands in for the process that copies: notes what it is told, and ends as its task's id says."""

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

PROGRESS = {
    "disks": [{"id": 0, "name": "/dev/vda", "total": 2, "done": 1, "sent": 1}],
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
        if job["task_id"] == "not-trusted":
            error = {"code": "REHOST.7013", "message": "of another run", "retryable": False}
            print(json.dumps({"error": error}), flush=True)
            sys.exit(1)
        trouble = {"trouble": "cut off"} if job["task_id"] == "cut-off" else {}
        print(json.dumps({"progress": PROGRESS | trouble}), flush=True)
        if job["task_id"] == "copied":
            compare()
            print(json.dumps({"result": {"cut": {"moment": 0, **cut()}}}), flush=True)
            return
        if job["task_id"] == "in-step":
            compare()
            print('{"phase": "syncing"}', flush=True)
        for line in sys.stdin:
            print(line.strip(), file=notes, flush=True)
            if json.loads(line).get("skip"):
                print('{"skip": false}', flush=True)
            if json.loads(line).get("verify"):
                compare(differed=[{"offset": 0, "length": 4096}])
            if (number := json.loads(line).get("point")) is not None:
                print(json.dumps({"point": {"number": number, **cut()}}), flush=True)


def compare(differed: Sequence[object] = ()) -> None:
    disk = {"name": "/dev/vda", "compared": 2, "differed": differed, "unreadable": ()}
    print(json.dumps({"verified": [disk]}), flush=True)


def cut() -> dict[str, object]:
    """A moment a second ago."""
    held: dict[str, object] = {"stood_at": time.monotonic() - 1, "duration_s": 0.05}
    return held | {"frozen": ["/"], "skipped": [["/boot/efi", "vfat"]], "failed_hooks": []}


if __name__ == "__main__":
    main()
