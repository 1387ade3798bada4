"""Disks as any provider's, and a server that is on when it was told so: nothing ever runs.

For tests of what surrounds a provider, and for migrations that need the disks alone.
"""

from pathlib import Path

from rehost.providers.base import Inventory, Launch, Power, TargetServer, TargetSpec
from rehost.providers.folders import ServerFolders, inventories

SWITCH = "on"


class NullProvider:
    name = "null"

    def __init__(self, folder: Path) -> None:
        self._folders = ServerFolders(folder)

    def create(self, spec: TargetSpec) -> TargetServer:
        return self._folders.create(spec)

    def boot(self, server_id: str) -> Launch:
        with self._folders.held(server_id) as (_, folder):
            (folder / SWITCH).touch()
        return Launch(accelerated=False, said="nothing runs: the null provider only says so")

    def power(self, server_id: str) -> Power:
        if self._folders.find(server_id) is None:
            return Power.GONE
        return Power.ON if self._switch(server_id).exists() else Power.OFF

    def stop(self, server_id: str, *, hard: bool = False) -> None:
        self._switch(server_id).unlink(missing_ok=True)

    def delete(self, server_id: str) -> None:
        self._folders.delete(server_id)

    def inventory(self) -> tuple[Inventory, ...]:
        return inventories(self._folders, self.power)

    def _switch(self, server_id: str) -> Path:
        return self._folders.path(server_id) / SWITCH
