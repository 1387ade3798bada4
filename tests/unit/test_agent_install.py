import stat
import sys
from pathlib import Path

import pytest

from rehost.agent import exits, install
from rehost.agent.install import Places
from rehost.agent.program import Program
from rehost.agent.state import State
from rehost.errors import CannotInstall, CommandFailed


class Systemd:
    """Stands in for the host: notes what systemctl was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def which(self, program):
        return f"/usr/bin/{program}"

    def run(self, argv, **_):
        self.asked.append(" ".join(argv))
        if "reset-failed" in argv:
            raise CommandFailed(" ".join(argv), "not loaded")
        return ""


@pytest.fixture
def host():
    return Systemd()


@pytest.fixture
def places(tmp_path):
    places = Places(root=tmp_path)
    places.systemd.mkdir(parents=True)
    return places


@pytest.fixture
def state(tmp_path):
    state = State(tmp_path / "etc/rehost")
    state.prepare()
    return state


def tree(root: Path) -> set[str]:
    return {str(p.relative_to(root)) for p in root.rglob("*") if not p.is_dir()}


def test_installs_and_starts(host, places, state, tmp_path):
    install.check(host, places)
    install.install(host, state, places)
    assert host.asked == [
        "systemctl daemon-reload",
        "systemctl enable rehost-agent",
        "systemctl restart rehost-agent",
    ]
    assert tree(tmp_path) == {
        "usr/local/lib/rehost/rehost-agent.pyz",
        "etc/systemd/system/rehost-agent.service",
    }
    assert stat.S_IMODE(places.bundle.stat().st_mode) == 0o755
    assert (
        f"ExecStart={sys.executable} -I -S {places.bundle} run --state-dir {state.folder}"
        in places.unit.read_text().splitlines()
    )


def test_uninstalling_leaves_no_trace(host, places, state, tmp_path):
    install.install(host, state, places)
    install.uninstall(host, state, places)
    assert tree(tmp_path) == set()
    assert not places.bundle.parent.exists()
    assert not state.folder.exists()
    assert "systemctl disable --now rehost-agent" in host.asked

    host.asked.clear()
    install.uninstall(host, state, places)
    assert "systemctl disable --now rehost-agent" not in host.asked


def test_a_machine_without_systemd_is_told_what_else_to_do(host, tmp_path):
    with pytest.raises(CannotInstall, match="rehost-agent run"):
        install.check(host, Places(root=tmp_path))


def test_the_unit_that_is_shipped_is_the_one_for_the_usual_paths():
    shipped = (Path(install.__file__).parent / "rehost-agent.service").read_text()
    command = ("/usr/bin/python3", "-I", "-S", "/usr/local/lib/rehost/rehost-agent.pyz")
    usual = install.unit_text(command, state=Path("/etc/rehost"))
    assert usual == shipped
    final = " ".join(str(int(code)) for code in exits.FINAL)
    assert f"RestartPreventExitStatus={final}" in shipped.splitlines()
    # Where the machine was migrated to, nothing is to show as failed.
    assert f"SuccessExitStatus={int(exits.Exit.OTHER_MACHINE)}" in shipped.splitlines()


def test_odd_paths_stay_one_word_in_the_unit():
    text = install.unit_text(("/opt/my python/50%", "/b"), state=Path('/s"$x'))
    assert r'ExecStart="/opt/my python/50%%" /b run --state-dir "/s\"$$x"' in text


def test_the_executable_is_started_by_itself_and_replaces_the_zip(
    host, places, state, tmp_path, monkeypatch
):
    install.install(host, state, places)
    file = tmp_path / "download"
    file.write_bytes(b"a program")
    monkeypatch.setattr(install, "running", lambda: Program(file, is_executable=True))
    install.check(host, places)
    install.install(host, state, places)
    assert places.executable == tmp_path / "usr/local/sbin/rehost-agent"
    assert places.executable.read_bytes() == b"a program"
    assert stat.S_IMODE(places.executable.stat().st_mode) == 0o755
    assert not places.bundle.parent.exists()
    assert (
        f"ExecStart={places.executable} run --state-dir {state.folder}"
        in places.unit.read_text().splitlines()
    )
    file.unlink()
    install.uninstall(host, state, places)
    assert tree(tmp_path) == set()


def test_the_page_on_the_agent_names_every_exit_code():
    page = (Path(__file__).parents[2] / "docs/agent.md").read_text()
    for code in exits.Exit:
        assert f"| {int(code)} | {code.meaning} |" in page
