"""Making the agent a systemd service of this machine, and taking it off again."""

import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import rehost
from rehost.agent.state import State
from rehost.contract.bundle import build_agent_bundle
from rehost.errors import CannotInstall, CommandFailed
from rehost.system.files import sync_folder, write_atomically
from rehost.system.host import Host

SERVICE = "rehost-agent"
# As in the unit that is shipped; replaced by this machine's.
_PYTHON = "/usr/bin/python3"
_BUNDLE = "/usr/local/lib/rehost/rehost-agent.pyz"
_STATE = "/etc/rehost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the agent lives, below `root`."""

    root: Path = Path("/")

    @property
    def bundle(self) -> Path:
        return self.root / _BUNDLE.lstrip("/")

    @property
    def unit(self) -> Path:
        return self.root / f"etc/systemd/system/{SERVICE}.service"

    @property
    def systemd(self) -> Path:
        return self.root / "run/systemd/system"

    def make(self) -> None:
        for file in (self.unit, self.bundle):
            file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)


def check(host: Host, places: Places) -> None:
    """Raise CannotInstall where `install` would not succeed."""
    if host.which("systemctl") is None or not places.systemd.is_dir():
        raise CannotInstall(
            "this machine is not run by systemd; use `rehost-agent register` and have its own "
            "init system start `rehost-agent run`"
        )
    with _explained():
        places.make()
        for file in (places.unit, places.bundle):
            probe = file.with_name(f"{SERVICE}.probe")
            write_atomically(probe, b"", mode=0o600)
            probe.unlink()


def install(host: Host, state: State, places: Places) -> None:
    """Copy the agent, write its unit, start it now and at every boot. May be repeated."""
    with _explained():
        places.make()
        if (running := running_bundle()) is None:
            build_agent_bundle(places.bundle)
        elif running != places.bundle:
            write_atomically(places.bundle, running.read_bytes(), mode=0o755)
        unit = unit_text(python=sys.executable, bundle=places.bundle, state=state.folder)
        write_atomically(places.unit, unit.encode(), mode=0o644)
    host.run(["systemctl", "daemon-reload"])
    host.run(["systemctl", "enable", SERVICE])
    # Not `start`: an older agent that runs would go on with what it was told then.
    host.run(["systemctl", "restart", SERVICE])


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
        places.bundle.unlink(missing_ok=True)
        with suppress(OSError):
            places.bundle.parent.rmdir()
            sync_folder(places.bundle.parent.parent)


def unit_text(*, python: str, bundle: Path, state: Path) -> str:
    text = resources.files("rehost.agent").joinpath(f"{SERVICE}.service").read_text()
    for shipped, actual in ((_PYTHON, python), (_BUNDLE, str(bundle)), (_STATE, str(state))):
        text = text.replace(shipped, _quoted(actual))
    return text


def running_bundle() -> Path | None:
    """The zip that this program runs from; None if it runs from a folder."""
    file = Path(rehost.__file__).parents[1]
    return file.absolute() if zipfile.is_zipfile(file) else None


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except OSError as e:
        raise CannotInstall(f"cannot write {e.filename}: {e.strerror}; run as root") from e


def _quoted(path: str) -> str:
    """As one word of a systemd command line."""
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if escaped != path or " " in path else path
