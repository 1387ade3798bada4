"""A disk's whole way, from the task that an operator makes to the target that is kept."""

import json
import random
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from rehost.storage.used.disk import used_ranges
from tests.migration.rig import MIB, differing, make_disk, receiver_of, set_limit, written

AGENTS = "MIGRATE_LINUX_BLOCK"


def filesystem(image: Path, files: Path, *, size: int) -> Path:
    """An ext4 with files, some of which were deleted again."""
    draw = random.Random(4)
    files.mkdir()
    for number in range(60):
        content = draw.randbytes(draw.randrange(MIB)) + bytes(draw.randrange(MIB))
        (files / f"file-{number}").write_bytes(content)
    with image.open("wb") as disk:
        disk.truncate(size)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-d", str(files), str(image)], check=True)
    for number in range(0, 60, 5):
        remove = ["debugfs", "-w", "-R", f"rm file-{number}", str(image)]
        subprocess.run(remove, check=True, stderr=subprocess.DEVNULL)
    return image


def own_address() -> str:
    """One of this machine that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return str(probe.getsockname()[0])


class Watch:
    """Looks at a task and its source again and again, until it is told to end."""

    def __init__(self, machine, task_id):
        self.seen = []
        self._machine, self._task_id = machine, task_id
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()

    def _look(self):
        rig = self._machine.rig
        while not self._done.wait(0.2):
            self.seen.append((rig.show(self._task_id), rig.shown(self._machine.source_id)))


def check_course(seen):
    """What was shown on the way is true: nothing goes back, nothing is more than all of it."""
    sizes = [(source["replicatesize"], source["totalsize"]) for _, source in seen]
    assert all(0 <= done <= total for done, total in sizes)
    percents = [
        next(p["progress"] for p in task["sub_tasks"] if p["name"] == AGENTS) for task, _ in seen
    ]
    assert percents == sorted(percents)
    assert {task["state"] for task, _ in seen} <= {"RUNNING", "MIGRATE_SUCCESS"}
    for task, source in seen:
        assert (task["migrate_speed"] or 0) >= 0
        if 0 < source["replicatesize"] < source["totalsize"]:
            assert source["state"] == "replicate"
            assert source["current_task"]["state"] == task["state"] or task["state"] != "RUNNING"


@pytest.mark.needs("mkfs.ext4", "debugfs")
@pytest.mark.parametrize("tls", [pytest.param(False, marks=pytest.mark.slow), True], ids=str)
def test_a_filesystem_arrives_and_is_shown_on_its_way(tls, tmp_path, make_service, make_machine):
    image = filesystem(tmp_path / "disk", tmp_path / "files", size=256 * MIB)
    options = ("--public-url", f"http://{own_address()}:{{port}}") if tls else ()
    service = make_service(*options)
    machine = make_machine(service, image)
    task_id = machine.task(speed_limit=40)
    with Watch(machine, task_id) as watch:
        task = machine.until_ended(task_id)
    assert task["state"] == "MIGRATE_SUCCESS", task["error_json"]
    check_course(watch.seen)
    assert any(0 < s["replicatesize"] < s["totalsize"] for _, s in watch.seen)
    assert any((t["migrate_speed"] or 0) > 1 for t, _ in watch.seen)
    assert differing(image, machine.target(task_id)) == []

    source = machine.rig.shown(machine.source_id)
    used = sum(r.length for r in used_ranges(str(image)))
    assert source["replicatesize"] == source["totalsize"] >= used
    assert (source["state"], source["migration_cycle"]) == ("finished", "cutovered")
    path = f"/v3/tasks/{task_id}/consistency-result"
    [row] = map(json.loads, machine.rig.call("GET", path)["result_list"])
    assert row["dir_check"] == str(image)
    assert (row["num_total_files"], row["num_different_files"]) == (-(-used // MIB), 0)

    machine.until(lambda: not receiver_of(task_id))
    target = machine.target(task_id)
    machine.rig.call("DELETE", f"/v3/tasks/{task_id}")
    machine.until(lambda: not (service.data / "receivers" / task_id).exists())
    subprocess.run(["e2fsck", "-fn", shutil.copy(target, tmp_path / "copy")], check=True)


def test_what_has_arrived_is_not_sent_again_after_a_stop(tmp_path, make_service, make_machine):
    size = 64 * MIB
    image = make_disk(tmp_path / "disk", size)
    machine = make_machine(make_service(), image)
    task_id = machine.task(speed_limit=80)
    machine.until_copied(task_id, 16 * MIB)
    receiver = receiver_of(task_id)
    machine.rig.act(task_id, "stop")
    first = 0
    while receiver_of(task_id):
        first = max(first, written(receiver))
        time.sleep(0.05)
    machine.rig.until_state(task_id, "ABORT")
    assert 16 * MIB <= first < size
    assert machine.child is None
    assert machine.rig.shown(machine.source_id)["state"] == "stopped"

    set_limit(machine, task_id, 200)
    machine.rig.act(task_id, "restart")
    second = 0
    while (task := machine.show(task_id))["state"] == "RUNNING":
        second = max(second, written(receiver_of(task_id) or 0))
        time.sleep(0.05)
    assert task["state"] == "MIGRATE_SUCCESS", task["error_json"]
    assert differing(image, machine.target(task_id)) == []
    # Beside the blocks, each receiver writes its notes of them. What it wrote after the last look
    # at it is not seen.
    assert size * 0.9 <= first + second < size * 1.03


@pytest.mark.slow
def test_a_limit_that_is_changed_acts_while_it_runs(tmp_path, make_service, make_machine):
    machine = make_machine(make_service(), make_disk(tmp_path / "disk", 160 * MIB))
    task_id = machine.task(speed_limit=24)
    machine.until_copied(task_id, 4 * MIB)
    receiver = receiver_of(task_id)
    slow = rate(receiver, 5)
    set_limit(machine, task_id, 96)
    time.sleep(2)
    fast = rate(receiver, 5)
    # Mbit/s; this machine may be too busy for the whole of it.
    assert 12 < slow < 30
    assert 1.5 * slow < fast < 110
    machine.rig.act(task_id, "stop")
    machine.rig.until_state(task_id, "ABORT")


def rate(pid, seconds):
    began, before = time.monotonic(), written(pid)
    time.sleep(seconds)
    return (written(pid) - before) * 8 / 1e6 / (time.monotonic() - began)


def test_a_task_whose_agent_is_away_is_stopped_and_removed(tmp_path, make_service, make_machine):
    machine = make_machine(make_service(), make_disk(tmp_path / "disk", 32 * MIB))
    task_id = machine.task(speed_limit=40)
    machine.until_copied(task_id, 4 * MIB)
    target = machine.target(task_id)
    machine.kill()
    machine.rig.act(task_id, "stop")
    task = machine.until(lambda: (t := machine.show(task_id))["state"] == "ABORT" and t)
    assert task["error_json"] == ""
    machine.until(lambda: not receiver_of(task_id))
    machine.rig.call("DELETE", f"/v3/tasks/{task_id}")
    machine.until(lambda: not target.exists())
    # The agent that comes back finds nothing to do.
    machine.start()
    machine.until(lambda: machine.rig.shown(machine.source_id)["connected"])
    assert machine.child is None
