"""The agent's programs as this service hands them out."""

import hashlib
import logging
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rehost.contract import packages
from rehost.contract.bundle import agent_bundle, agent_executable
from rehost.contract.installer import ZIP, executable_name, installer

log = logging.getLogger(__name__)

RUNTIMES = Path(__file__).with_name("runtimes")
_NAMES = "linux-*"  # and the machine, as `uname -m` says it


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPrograms:
    """`zip` is for machines with a Python like this one; `installer` brings all that there are."""

    zip: bytes
    installer: bytes
    digest: str  # of the installer: sha256, hex

    @classmethod
    def pack(cls, data: Path, runtimes: Path = RUNTIMES) -> Self:
        """`data` is the service's folder; what administrators put there comes before `runtimes`.

        Its agent-wheels are packages for Pythons of other sources, its agent-runtimes what
        scripts/runtime/build made.
        """
        zipped = agent_bundle(sorted((data / "agent-wheels").glob("*.whl")))
        found = {f.name: f for f in (*_files(runtimes), *_files(data / "agent-runtimes"))}
        programs = {ZIP: zipped}
        for name, file in sorted(found.items()):
            try:
                executable = agent_executable(file.read_bytes())
            except (OSError, zipfile.BadZipFile) as e:
                log.error("%s is not handed out: %s", file, e)
                continue
            programs[executable_name(name.removeprefix("linux-"))] = executable
        whole = installer(programs, packages.tags(zipped))
        return cls(zip=zipped, installer=whole, digest=hashlib.sha256(whole).hexdigest())


def _files(folder: Path) -> Iterator[Path]:
    return folder.glob(_NAMES)
