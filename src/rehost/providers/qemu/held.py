"""Machines that are on and do not go on: QEMU holds one whose writes find no space on this host."""

from contextlib import suppress
from pathlib import Path

from rehost.provider_errors import MachineSilent
from rehost.providers.qemu import qmp

NO_SPACE = "io-error"
WHY = {
    NO_SPACE: "no space is left on the service's host for what it writes",
    "internal-error": "the hypervisor cannot go on with it",
}


def why(folder: Path) -> str:
    """A sentence's end; "" for a machine that is not held. Raises MachineSilent."""
    return WHY.get(_status(folder), "")


def let_go(folder: Path) -> None:
    """Have the machine try again what it found no space for; it is held again if there is none."""
    with suppress(MachineSilent):
        if _status(folder) == NO_SPACE:
            qmp.ask(folder, "cont")


def _status(folder: Path) -> str:
    said = qmp.ask(folder, "query-status")
    return str(said.get("status")) if isinstance(said, dict) else ""
