"""The file that this program runs from, and how it is started from there."""

import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import rehost


@dataclass(frozen=True, slots=True)
class Program:
    """The agent's one file: a zip for this machine's Python, or a program that needs none."""

    file: Path
    is_executable: bool

    def command(self, installed: Path) -> tuple[str, ...]:
        """Starts a copy of it. Its children are started by sys.executable alike in both kinds."""
        if self.is_executable:
            return (str(installed),)
        return (sys.executable, "-I", "-S", str(installed))


def running() -> Program | None:
    """What this program runs from; None if that is a folder."""
    file = Path(rehost.__file__).parents[1]
    if not zipfile.is_zipfile(file):
        return None
    return Program(file.absolute(), is_executable=file.samefile(sys.executable))
