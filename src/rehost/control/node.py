"""Which machine this is, and which of its runners are alive.

A node is a data folder: what a target's disks lie in. Each runner holds a lock there as long as its
process lives, however it ends.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from rehost.control.keys import create_once
from rehost.control.store.leases import Holder

NAME = "node"
RUNNERS = "runners"


class Presence:
    """One runner's name and its lock. Raises OSError if the data folder cannot be written."""

    def __init__(self, data: Path) -> None:
        self._folder = data / RUNNERS
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self.holder = Holder(owner=secrets.token_hex(8), node=_node(data))
        # Under another name until it is locked, or others took it for a dead one's.
        draft = self._folder / f".{self.holder.owner}"
        self._lock = os.open(draft, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        draft.rename(self._folder / self.holder.owner)

    def dead(self) -> Iterator[str]:
        """Runners of this node that have ended without saying so."""
        for file in tuple(self._folder.iterdir()):
            if not file.name.startswith(".") and _is_free(file):
                yield file.name

    def bury(self, owner: str) -> None:
        """Forget a dead runner, once its leases have been ended."""
        (self._folder / owner).unlink(missing_ok=True)

    def leave(self) -> None:
        self.bury(self.holder.owner)
        os.close(self._lock)


def _node(data: Path) -> str:
    file = data / NAME
    if not file.exists():
        create_once(file, secrets.token_hex(16).encode())
    return file.read_text().strip()


def _is_free(file: Path) -> bool:
    try:
        descriptor = os.open(file, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
