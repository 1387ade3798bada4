"""This machine as the place to migrate to: raw images in the service's data folder."""

from pathlib import Path

from rehost.providers.base import Power, TargetServer, TargetSpec
from rehost.providers.folders import ServerFolders


class QemuProvider:
    name = "qemu"

    def __init__(self, folder: Path) -> None:
        self._folders = ServerFolders(folder)

    def create(self, spec: TargetSpec) -> TargetServer:
        return self._folders.create(spec)

    def power(self, server_id: str) -> Power:
        return Power.GONE if self._folders.find(server_id) is None else Power.OFF

    def delete(self, server_id: str) -> None:
        self._folders.delete(server_id)
