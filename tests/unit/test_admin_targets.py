from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from rehost.control import admin, admin_targets
from rehost.control.store import audit, identity
from rehost.control.store import tasks as table
from rehost.model.task import TaskState
from rehost.provider_errors import ProviderCannot, TargetAmbiguous, TargetGone, TargetOfTask
from rehost.providers.base import Power
from rehost.providers.folders import ServerFolders
from rehost.providers.null import NullProvider
from rehost.providers.qemu import QemuOptions, QemuProvider
from rehost.providers.qemu.options import Acceleration
from tests.conformance import bootsector
from tests.conformance.provider import SPEC
from tests.unit.identities import house
from tests.unit.tasks import new_source, new_task


@pytest.fixture
def home(tmp_path):
    with house(tmp_path) as made:
        yield made


@pytest.fixture
def rehost(home, monkeypatch):
    """Run `rehost targets` with a provider; standard output, then standard error."""

    def run(*words: str, provider: str = "null", stdin: str = "", code: int = 0) -> str:
        monkeypatch.setenv("REHOST_DATA", str(home.data))
        monkeypatch.setenv("REHOST_PROVIDER", provider)
        monkeypatch.setenv("REHOST_QEMU_ACCELERATION", "tcg")
        result = CliRunner().invoke(admin.commands, ("targets", *words), input=stdin)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result.stdout

    return run


@pytest.fixture
def disks(home):
    return NullProvider(home.data / "targets")


def task_in(home, state: TaskState) -> str:
    task = new_task(home, new_source(home))
    with home.database.write() as db:
        table.save(db, task, replace(task, state=state))
    return task.id


def made(disks, task_id: str) -> Path:
    server = disks.create(replace(SPEC, task_id=task_id, source="web-1 (s-1)"))
    return Path(server.disks[0].path)


def test_targets_are_told_with_their_tasks_and_where_they_lie(home, rehost, disks):
    assert len(rehost("list").splitlines()) == 1
    kept, gone = task_in(home, TaskState.MIGRATE_SUCCESS), "deleted-long-ago"
    made(disks, kept)
    image = made(disks, gone)
    disks.boot(gone)
    (home.data / "targets" / "lost+found").mkdir()
    (home.data / "targets" / "damaged").mkdir()
    (home.data / "targets" / "damaged" / "server.json").write_text("{")
    rows = {line.split()[0]: line for line in rehost("list").splitlines()[1:]}
    assert set(rows) == {kept, gone}
    assert "t: MIGRATE_SUCCESS" in rows[kept]
    assert "none: deleted" in rows[gone]
    assert (" on " in rows[gone], " off " in rows[kept]) == (True, True)
    assert rows[gone].endswith(str(image.parent))
    shown = rehost("show", "deleted")
    for word in (str(image), "web-1 (s-1)", "none: deleted", "20.0 GiB"):
        assert word in shown


def test_a_name_from_a_source_does_not_move_the_cursor(home, rehost, disks, monkeypatch):
    server = disks.create(replace(SPEC, task_id="left-1", name="a\x1b[2J", source="b\x9b2J\n (s)"))
    for words in (("list",), ("show", server.id)):
        shown = rehost(*words)
        assert "a�[2J" in shown
        assert "b�2J� (s)" in shown
    monkeypatch.setenv("REHOST_DATA", str(home.data))
    for words, answer in ((("start",), ""), (("delete",), "y\n")):
        asked = ("targets", *words, server.id)
        said = CliRunner().invoke(admin.commands, asked, input=answer).stderr
        assert "a�[2J" in said
        assert "\x1b" not in said


def test_targets_are_named_by_how_their_ids_begin(rehost, disks):
    for task_id in ("aa1", "aa2", "aa"):
        made(disks, task_id)
    assert "aa1" in rehost("show", "aa1")
    assert "id " in rehost("show", "aa")
    disks.delete("aa")
    with pytest.raises(TargetAmbiguous, match="aa1, aa2"):
        rehost("show", "aa")
    with pytest.raises(TargetGone):
        rehost("show", "b")


def events(home) -> list[str]:
    """What is in the audit trail, newest first."""
    with home.database.read() as db:
        domain = identity.require_domain(db, "default")
        return [e.event for e in audit.page(db, (), domain.id, audit.Filters(), limit=9, offset=0)]


def test_who_starts_and_stops_a_target_is_in_the_audit_trail(home, rehost, disks):
    made(disks, "left-1")
    rehost("start", "left-1")
    rehost("stop", "left-1")
    assert events(home) == ["stopTarget", "startTarget"]


def test_delete_asks_and_says_what_goes(home, rehost, disks):
    image = made(disks, "left-1")
    rehost("delete", "left-1", stdin="n\n", code=1)
    rehost("delete", "left-1", stdin="", code=1)
    assert image.exists()
    disks.boot("left-1")
    rehost("delete", "left-1", stdin="y\n")
    assert not image.parent.exists()
    assert events(home) == ["deleteTarget"]
    made(disks, "left-2")
    rehost("delete", "left-2", "--yes")
    assert disks.power("left-2") is Power.GONE


def copied(home, disks, state: TaskState) -> tuple[str, str]:
    task_id = task_in(home, state)
    made(disks, task_id)
    clone = ServerFolders(home.data / "targets").clone(task_id, f"{task_id}-test")
    return task_id, clone.id


def test_copy_is_not_deleted_if_a_test_began_while_it_was_asked(home, rehost, disks, monkeypatch):
    task_id, clone_id = copied(home, disks, TaskState.SYNC_SUCCESS)

    def answer_late(*_, **__) -> bool:
        with home.database.write() as db:
            task = table.get(db, task_id)
            assert task is not None
            table.save(db, task, replace(task, active=True))
        return True

    with monkeypatch.context() as patched:
        patched.setattr(typer, "confirm", answer_late)
        with pytest.raises(TargetOfTask, match="clear"):
            rehost("delete", clone_id)
    assert disks.power(clone_id) is Power.OFF


def test_copy_of_a_target_at_rest_is_deleted(home, rehost, disks):
    task_id, clone_id = copied(home, disks, TaskState.SYNC_SUCCESS)
    rehost("delete", clone_id, stdin="y\n")
    assert disks.power(clone_id) is Power.GONE
    assert disks.power(task_id) is Power.OFF


@pytest.mark.parametrize("state", [TaskState.RUNNING, TaskState.MIGRATE_SUCCESS, TaskState.ABORT])
def test_target_of_a_task_goes_with_its_task_alone(home, rehost, disks, state):
    task_id = task_in(home, state)
    image = made(disks, task_id)
    with pytest.raises(TargetOfTask, match="delete the task first"):
        rehost("delete", task_id, "--yes")
    assert image.exists()


def test_target_that_is_written_is_not_started(home, rehost, disks):
    task_id = task_in(home, TaskState.SYNCING)
    made(disks, task_id)
    with pytest.raises(TargetOfTask, match="SYNCING"):
        rehost("start", task_id)
    assert disks.power(task_id) is Power.OFF


def test_what_a_provider_cannot_is_said(home, rehost, disks, tmp_path):
    task_id = task_in(home, TaskState.MIGRATE_SUCCESS)
    made(disks, task_id)
    for words in (("start",), ("console",)):
        with pytest.raises(ProviderCannot, match="null"):
            rehost(*words, task_id)
    with pytest.raises(ProviderCannot):
        rehost("screenshot", task_id, str(tmp_path / "screen.png"))


@pytest.mark.needs("qemu-system-x86_64", "qemu-img")
def test_target_of_a_task_never_runs_on_its_disks_whatever_happens(home, rehost, monkeypatch):
    provider = QemuProvider(home.data / "targets", QemuOptions(acceleration=Acceleration.TCG))
    task_id = task_in(home, TaskState.SYNC_FAIL)
    provider.create(replace(SPEC, task_id=task_id))
    provider.layer(task_id)
    look = admin_targets._one

    def then_rolled_back(*words):
        found = look(*words)
        provider.drop_layer(task_id)
        return found

    try:
        with monkeypatch.context() as patched:
            patched.setattr(admin_targets, "_one", then_rolled_back)
            rehost("start", task_id, provider="qemu")
        [found] = provider.inventory()
        assert (found.power, found.layered) == (Power.ON, True)
    finally:
        provider.delete(task_id)


@pytest.mark.needs("qemu-system-x86_64", "qemu-img")
def test_machine_is_started_seen_and_stopped(home, rehost, tmp_path):
    provider = QemuProvider(home.data / "targets", QemuOptions(acceleration=Acceleration.TCG))
    task_id = task_in(home, TaskState.MIGRATE_SUCCESS)
    server = provider.create(replace(SPEC, task_id=task_id))
    try:
        with server.disks[0].path.open("r+b") as disk:
            disk.write(bootsector.deaf("ready"))
        before = server.disks[0].path.read_bytes()
        rehost("start", task_id, provider="qemu")
        while "ready" not in rehost("console", task_id, provider="qemu"):
            assert provider.power(task_id) is Power.ON
        picture = tmp_path / "screen.png"
        rehost("screenshot", task_id, str(picture), provider="qemu")
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert "disk-0.qcow2" in rehost("show", task_id, provider="qemu")
        rehost("stop", task_id, "--force", provider="qemu")
        assert provider.power(task_id) is Power.OFF
        assert server.disks[0].path.read_bytes() == before
    finally:
        provider.delete(task_id)
