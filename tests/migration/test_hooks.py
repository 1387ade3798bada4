"""Programs of the administrator around the cut, from the agent's folder to what the task says."""

import json

import pytest

from tests.blockdev.test_cutover import is_frozen
from tests.migration.rig import MIB
from tests.migration.test_running import mounted

pytestmark = pytest.mark.needs("root", "loop", "ext4")
__all__ = ["mounted"]  # the fixture


def configure(machine, text):
    file = machine.folder / "hooks.toml"
    file.write_text(text)
    file.chmod(0o600)


def hook(name, *, log, pre="true"):
    return f"""
[[hook]]
name = "{name}"
pre = ["/bin/sh", "-c", "echo before {name} >> {log}; {pre}"]
post = ["/bin/sh", "-c", "echo after {name} >> {log}"]
"""


def test_hooks_run_around_the_cut_of_a_task(tmp_path, mounted, make_service, make_machine):
    device, folder = mounted
    (folder / "old").write_bytes(bytes(range(256)) * (MIB // 64))
    log = tmp_path / "log"
    machine = make_machine(make_service(), device)
    configure(machine, hook("database", log=log) + hook("cache", log=log))
    task = machine.until_ended(machine.task())
    assert task["state"] == "MIGRATE_SUCCESS", task["error_json"]
    traces = "".join(phase["process_trace"] for phase in task["sub_tasks"])
    assert "the copy is of 2" in traces
    assert "writes waited" in traces
    assert log.read_text().splitlines() == [
        "before database", "before cache", "after cache", "after database"
    ]  # fmt: skip


def test_a_hook_that_fails_fails_the_task_and_nothing_is_frozen(
    tmp_path, mounted, make_service, make_machine
):
    device, folder = mounted
    log = tmp_path / "log"
    machine = make_machine(make_service(), device)
    configure(machine, hook("database", log=log, pre="echo it is busy >&2; false"))
    task_id = machine.task()
    task = machine.until_ended(task_id)
    assert task["state"] == "MIGRATE_FAIL"
    error = json.loads(task["error_json"])
    assert error["error_code"] == "REHOST.7072"
    assert "'database' failed before the cut" in error["error_msg"]
    assert "it is busy" in error["error_msg"]
    assert not is_frozen(folder)
    assert log.read_text().splitlines() == ["before database", "after database"]
    # Put right, the same task comes to its end.
    configure(machine, hook("database", log=log))
    machine.rig.act(task_id, "restart")
    machine.until(lambda: machine.rig.show(task_id)["state"] == "MIGRATE_SUCCESS")


def test_hooks_that_cannot_be_read_are_told_before_anything_is_copied(
    mounted, make_service, make_machine
):
    device, _ = mounted
    machine = make_machine(make_service(), device)
    configure(machine, "[[hook]]\nname = 'database'\npre = 'stop-database'\n")
    task = machine.until_ended(machine.task())
    error = json.loads(task["error_json"])
    assert error["error_code"] == "REHOST.7073"
    assert "list of words" in error["error_msg"]
