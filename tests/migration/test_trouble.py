"""What goes wrong around a migration is said in the task, and does not have to be begun anew."""

import contextlib
import json
import subprocess
from pathlib import Path

import pytest

from rehost.stream_errors import SourceUnreadable, TargetFull
from tests.migration.rig import MIB, differing, make_disk, receiver_of, set_limit, written
from tests.replicate.failing import failing_device


@contextlib.contextmanager
def small(folder: Path):
    """A file system that is too small for the disk."""
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=60m", "none", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def make_space(folder):
    subprocess.run(["mount", "-o", "remount,size=200m", str(folder)], check=True)


@pytest.mark.needs("root", "mount")
def test_full_targets_are_said_and_go_on_once_there_is_space(
    tmp_path, cleanup, make_service, make_machine
):
    data = tmp_path / "data"
    full = cleanup.enter_context(small(data / "targets"))
    disk = make_disk(tmp_path / "disk", 80 * MIB)
    machine = make_machine(make_service(data=data), disk)
    task_id = machine.task()
    task = machine.until_ended(task_id)
    assert task["state"] == "MIGRATE_FAIL"
    error = json.loads(task["error_json"])
    assert error["error_code"] == TargetFull.code
    assert "make space and start the task again" in error["error_msg"]
    assert machine.rig.shown(machine.source_id)["state"] == "error"
    make_space(full)
    set_limit(machine, task_id, 200)  # to see what is written
    machine.rig.act(task_id, "restart")
    again = 0
    while (task := machine.show(task_id))["state"] == "RUNNING":
        again = max(again, written(receiver_of(task_id)))
    assert (task["state"], task["error_json"]) == ("MIGRATE_SUCCESS", "")
    assert differing(disk, machine.target(task_id)) == []
    assert again < 60 * MIB


@pytest.mark.needs("root", "mount")
def test_a_service_without_any_space_goes_on_once_there_is_some(
    tmp_path, cleanup, make_service, make_machine
):
    data = cleanup.enter_context(small(tmp_path / "data"))
    disk = make_disk(tmp_path / "disk", 80 * MIB)
    machine = make_machine(make_service(data=data), disk)
    task_id = machine.task()
    machine.until(lambda: TargetFull.code in machine.log)
    make_space(data)
    # Only now it can be written down.
    task = machine.until_ended(task_id)
    assert task["state"] == "MIGRATE_FAIL"
    assert json.loads(task["error_json"])["error_code"] == TargetFull.code
    machine.rig.act(task_id, "restart")
    task = machine.until_ended(task_id)
    assert (task["state"], task["error_json"]) == ("MIGRATE_SUCCESS", "")
    assert differing(disk, machine.target(task_id)) == []


@pytest.fixture
def failing(tmp_path):
    """A disk of which 4 KiB cannot be read."""
    image = make_disk(tmp_path / "image", 16 * MIB)
    with failing_device(tmp_path, image, at=9 * MIB + 8192) as device:
        yield image, device


@pytest.mark.needs("root", "loop", "nbdkit", "nbdfuse")
def test_what_cannot_be_read_is_said_and_can_be_left_out(failing, make_service, make_machine):
    image, device = failing
    machine = make_machine(make_service(), device)
    task_id = machine.task()
    task = machine.until_ended(task_id)
    assert task["state"] == "MIGRATE_FAIL"
    error = json.loads(task["error_json"])
    assert error["error_code"] == SourceUnreadable.code
    assert f"{device}: 4096 bytes at {9 * MIB + 8192} cannot be read" in error["error_msg"]

    wanted = {"config_key": "ON_READ_ERROR", "config_value": "skip"}
    path = f"/v3/tasks/{task_id}/configuration-setting"
    machine.rig.call("POST", path, {"configurations": [wanted]})
    machine.rig.act(task_id, "restart")
    task = machine.until_ended(task_id)
    assert task["state"] == "MIGRATE_SUCCESS", task["error_json"]
    [copying] = [p for p in task["sub_tasks"] if p["name"] == "MIGRATE_LINUX_BLOCK"]
    lost = f"4096 bytes at {9 * MIB + 8192} of {device}"
    assert f"cannot be read, and are zeros: {lost}" in copying["process_trace"]
    path = f"/v3/tasks/{task_id}/consistency-result"
    [row] = map(json.loads, machine.rig.call("GET", path)["result_list"])
    assert (row["num_total_files"], row["num_different_files"]) == (16, 1)
    content = bytearray(image.read_bytes())
    content[9 * MIB + 8192 : 9 * MIB + 12288] = bytes(4096)
    with machine.target(task_id).open("rb") as target:
        assert target.read(len(content)) == content
