"""One file that brings the agent to any source: a shell script, and its programs behind it."""

import hashlib
from collections.abc import Iterable, Mapping
from importlib import resources

import rehost

ZIP = "rehost-agent.pyz"
NAME = "rehost-agent.run"
_PLACE_DIGITS = 10  # so that the length of the script does not depend on what it says


def executable_name(architecture: str) -> str:
    """`architecture` as `uname -m` says it."""
    return f"rehost-agent-linux-{architecture}"


def installer(programs: Mapping[str, bytes], tags: Iterable[str]) -> bytes:
    """The file; `tags` are of the Pythons that the zip has packages for."""
    template = resources.files("rehost.contract").joinpath("installer.sh").read_text()
    template = template.replace("@version@", rehost.__version__)
    template = template.replace("@tags@", " ".join(sorted(tags)))
    length = len(_script(template, programs, 0))
    script = _script(template, programs, length)
    return b"".join((script, *programs.values()))


def _script(template: str, programs: Mapping[str, bytes], length: int) -> bytes:
    lines = []
    place = length + 1  # `tail` counts from one
    for name, content in programs.items():
        digest = hashlib.sha256(content).hexdigest()
        lines.append(f"{name} {place:0{_PLACE_DIGITS}} {len(content)} {digest}")
        place += len(content)
    return template.replace("@programs@", "\n".join(lines)).encode()
