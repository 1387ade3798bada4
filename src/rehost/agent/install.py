"""Making the agent a systemd service of this machine, and taking it off again."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from rehost.agent.program import Program, running
from rehost.agent.state import State
from rehost.contract.bundle import build_agent_bundle
from rehost.errors import CannotInstall, CommandFailed
from rehost.system.files import sync_folder, write_atomically
from rehost.system.host import Host
from rehost.system.unit import command_line

SERVICE = "rehost-agent"
# As in the unit that is shipped; replaced by this machine's.
_COMMAND = "/usr/bin/python3 -I -S /usr/local/lib/rehost/rehost-agent.pyz"
_BUNDLE = "/usr/local/lib/rehost/rehost-agent.pyz"
# Not below lib: where SELinux is enforced, systemd starts no program from there.
_EXECUTABLE = "/usr/local/sbin/rehost-agent"
_STATE = "/etc/rehost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the agent lives, below `root`."""

    root: Path = Path("/")

    @property
    def bundle(self) -> Path:
        return self.root / _BUNDLE.lstrip("/")

    @property
    def executable(self) -> Path:
        return self.root / _EXECUTABLE.lstrip("/")

    @property
    def unit(self) -> Path:
        return self.root / f"etc/systemd/system/{SERVICE}.service"

    @property
    def systemd(self) -> Path:
        return self.root / "run/systemd/system"

    def program(self, program: Program | None) -> Path:
        """Where it is installed; None: what is packed for this machine's Python."""
        return self.executable if program and program.is_executable else self.bundle

    def make(self, program: Path) -> None:
        for file in (self.unit, program):
            file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)


def check(host: Host, places: Places) -> None:
    """Raise CannotInstall where `install` would not succeed."""
    if host.which("systemctl") is None or not places.systemd.is_dir():
        raise CannotInstall(
            "this machine is not run by systemd; use `rehost-agent register` and have its own "
            "init system start `rehost-agent run`"
        )
    program = places.program(running())
    with _explained():
        places.make(program)
        for file in (places.unit, program):
            probe = file.with_name(f"{SERVICE}.probe")
            write_atomically(probe, b"", mode=0o600)
            probe.unlink()


def install(host: Host, state: State, places: Places) -> None:
    """Copy the agent, write its unit, start it now and at every boot. May be repeated."""
    program = running()
    installed = places.program(program)
    with _explained():
        places.make(installed)
        if program is None:
            program = Program(installed, is_executable=False)
            build_agent_bundle(installed)
        elif program.file != installed:
            write_atomically(installed, program.file.read_bytes(), mode=0o755)
        unit = unit_text(program.command(installed), state=state.folder)
        write_atomically(places.unit, unit.encode(), mode=0o644)
    host.run(["systemctl", "daemon-reload"])
    host.run(["systemctl", "enable", SERVICE])
    # Not `start`: an older agent that runs would go on with what it was told then.
    host.run(["systemctl", "restart", SERVICE])
    with _explained():
        _remove_programs(places, but=installed)  # of the other kind, by an earlier installation


def uninstall(host: Host, state: State, places: Places) -> None:
    """Stop the agent and remove all that is its own, its credential too. May be repeated."""
    managed = host.which("systemctl") is not None and places.systemd.is_dir()
    if managed and places.unit.exists():
        host.run(["systemctl", "disable", "--now", SERVICE])
    with _explained():
        places.unit.unlink(missing_ok=True)
        state.remove()
    if managed:
        host.run(["systemctl", "daemon-reload"])
        with suppress(CommandFailed):  # there is nothing to reset unless it failed before
            host.run(["systemctl", "reset-failed", SERVICE])
    with _explained():
        # Last: this may be the file that the program runs from.
        _remove_programs(places)


def unit_text(command: Sequence[str], *, state: Path) -> str:
    text = resources.files("rehost.agent").joinpath(f"{SERVICE}.service").read_text()
    text = text.replace(_COMMAND, command_line(command))
    return text.replace(_STATE, command_line([str(state)]))


def _remove_programs(places: Places, *, but: Path | None = None) -> None:
    for file in (places.executable, places.bundle):
        if file != but:
            file.unlink(missing_ok=True)
    if places.bundle != but:
        with suppress(OSError):
            places.bundle.parent.rmdir()
            sync_folder(places.bundle.parent.parent)


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except OSError as e:
        raise CannotInstall(f"cannot write {e.filename}: {e.strerror}; run as root") from e
