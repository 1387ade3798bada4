"""What QEMU and its tools say when they fail, and what it means for who waits for them."""

import re
from pathlib import Path

from rehost.errors import Error, ProgramFailed
from rehost.provider_errors import LaunchDelayed, LaunchFailed, NoSpaceForTarget, TargetStorage

# QEMU does not say why it could not write a line to its pid file, which it had opened.
NO_SPACE = re.compile(r"No space left on device|Disk quota exceeded|Failed to write pid file")
IN_USE = re.compile(r'Failed to get (shared )?"[\w ]+" lock')


def of_start(server_id: str, folder: Path, failure: ProgramFailed, *, hung: bool) -> Error:
    said = str(failure)
    if NO_SPACE.search(said):
        return NoSpaceForTarget(str(folder), said)
    if hung or IN_USE.search(said):
        return LaunchDelayed(server_id, said)
    return LaunchFailed(server_id, said)


def of_image(folder: Path, failure: ProgramFailed) -> Error:
    said = str(failure)
    kind = NoSpaceForTarget if NO_SPACE.search(said) else TargetStorage
    return kind(str(folder), said)
