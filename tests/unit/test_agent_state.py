import os
import stat
import subprocess

import pytest

from rehost.agent.state import Enrolment, State
from rehost.contract.trust import Trust
from rehost.errors import AlreadyRunning, NotRegistered, StateNotWritable
from rehost.model.server import Identity

ENROLMENT = Enrolment(
    service="https://rehost.example:8780",
    source_id="s-1",
    token="secret-token",
    trust=Trust(certificates="PEM", pin="sha256:00", check_host_name=False),
    identity=Identity(machine_id="m", disk_serials=("a", "b")),
    name="web",
)


@pytest.fixture
def state(tmp_path):
    state = State(tmp_path / "etc" / "rehost")
    state.prepare()
    return state


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_what_was_saved_is_loaded(state):
    state.save(ENROLMENT)
    assert state.load() == ENROLMENT


def test_only_the_owner_may_look(state):
    old = os.umask(0)
    try:
        state.save(ENROLMENT)
    finally:
        os.umask(old)
    assert mode(state.file) == 0o600
    assert mode(state.folder) == 0o700
    assert "secret-token" not in repr(ENROLMENT)


def test_a_killed_save_leaves_the_old_file_and_hinders_nobody(state):
    state.save(ENROLMENT)
    (state.folder / "agent.json.new").write_text('{"half')
    assert state.load() == ENROLMENT
    state.save(ENROLMENT)
    assert list(state.folder.iterdir()) == [state.file]


def test_a_link_that_waits_in_the_folder_is_not_followed(state, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (state.folder / "agent.json.new").symlink_to(victim)
    state.save(ENROLMENT)
    assert victim.read_text() == "mine"
    assert not state.file.is_symlink()


def test_a_folder_that_others_may_write_is_refused(state):
    state.folder.chmod(0o770)
    with pytest.raises(StateNotWritable, match="--state-dir"):
        state.prepare()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StateNotWritable, match="--state-dir"):
        State(tmp_path / "file" / "rehost").prepare()


def test_a_machine_without_a_file_is_not_registered(state):
    with pytest.raises(NotRegistered, match="rehost enroll"):
        state.load()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"format": 2}', '{"format": 1, "x": 1}'])
def test_a_damaged_file_says_so(state, content):
    state.file.write_text(content)
    state.file.chmod(0o600)
    with pytest.raises(NotRegistered, match="damaged"):
        state.load()


def test_a_file_that_others_could_read_is_not_relied_on(state):
    state.save(ENROLMENT)
    state.file.chmod(0o640)
    with pytest.raises(NotRegistered, match="chmod 600"):
        state.load()


def test_one_agent_at_a_time(state):
    with state.locked(), pytest.raises(AlreadyRunning), State(state.folder).locked():
        pass
    with state.locked():
        pass


def test_removing_leaves_nothing_and_may_be_repeated(state):
    state.save(ENROLMENT)
    state.remove()
    state.remove()
    assert not state.folder.exists()


def test_removing_leaves_what_others_put_there(state):
    (state.folder / "theirs").touch()
    state.remove()
    assert (state.folder / "theirs").exists()


@pytest.mark.needs("root", "mount")
def test_a_full_disk_is_noticed_before_a_code_is_spent(tmp_path):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", tmp_path], check=True)
    try:
        State(tmp_path / "rehost").prepare()
        (tmp_path / "rest").write_bytes(bytes(12288))
        with pytest.raises(StateNotWritable, match="No space left"):
            State(tmp_path / "rehost").prepare()
    finally:
        subprocess.run(["umount", "--lazy", tmp_path], check=True)
