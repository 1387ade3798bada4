"""Consistent points of a task that is kept in step, from the service to the disk and back."""

import os
import shutil
import time

import pytest

from rehost.contract.digest import digest
from tests.migration.rig import MIB, kill
from tests.migration.test_running import Writer, files_of, mounted, run
from tests.points import ask_for_point, have_taken, stored

pytestmark = [pytest.mark.needs("root", "loop", "ext4", "bpf"), pytest.mark.slow]
__all__ = ["mounted"]  # the fixture


def test_a_point_is_held_until_the_service_has_taken_it(
    tmp_path, mounted, make_service, make_machine
):
    device, folder = mounted
    (folder / "old").write_bytes(os.urandom(10 * MIB))
    service = make_service()
    machine = make_machine(service, device)
    with Writer(folder) as writer:
        task_id = machine.task(syncing=True)
        machine.until(lambda: machine.show(task_id)["state"] == "SYNCING")
        early = max(dict(writer.durable))
        ask_for_point(service, task_id)
        point = machine.until(lambda: stored(service, task_id).run.point(1))
        assert (point.error_code, point.frozen) == ("", (str(folder),))
        assert point.at <= time.time() * 1000
        copy = shutil.copy(machine.target(task_id), tmp_path / "copy")
        held = digest(copy.read_bytes())
        # A sender that dies meanwhile is not followed by another before it is taken.
        kill(machine.child)
        machine.until(lambda: machine.child is None)
        late = max(dict(writer.durable))
        machine.until(lambda: max(dict(writer.durable)) > f"file-{int(late[5:]) + 100:06}")
        assert digest(machine.target(task_id).read_bytes()) == held
        assert machine.child is None
        have_taken(service, task_id)
        machine.until(lambda: machine.child)
        second = ask_for_point(service, task_id)
        machine.until(lambda: stored(service, task_id).run.point(second))
        have_taken(service, task_id)
        machine.rig.act(task_id, "cutover")
        task = machine.until_ended(task_id)
    assert task["state"] == "SYNC_SUCCESS", task["error_json"]
    cut = stored(service, task_id).run.point(0)
    assert cut is not None
    assert point.at < cut.at <= cut.told_at <= task["finish_date"]
    assert cut.frozen == (str(folder),)
    run("e2fsck", "-fn", copy)
    arrived = files_of(copy, tmp_path / "look")
    assert early in arrived
    assert max(writer.durable) not in arrived
