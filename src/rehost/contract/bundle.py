"""The agent in one file: a zip that Python runs, with nothing in it but what the agent needs.

The same sources and packages give the same bytes wherever and whenever they are packed, so the
digest of a bundle can be printed, pinned and checked.

For machines without such a Python there is the same zip behind a program that is one: what
scripts/runtime/build makes, and `agent_executable` adds the agent to.
"""

import hashlib
import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import rehost
from rehost.contract import packages
from rehost.system.files import write_atomically

SHEBANG = b"#!/usr/bin/env python3\n"
# What of the package goes in: modules and folders, as they are named in it.
PARTS = (
    "__init__.py",
    "errors.py",
    "stream_errors.py",
    "cutover_errors.py",
    "model",
    "system",
    "contract",
    "storage",
    "stages/__init__.py",
    "stages/discover",
    "stages/replicate",
    "stages/cutover.py",
    "agent",
)
SUFFIXES = (".py", ".service")
# Old Pythons must be able to read this, or they would show a syntax error instead.
MAIN = b"""\
import sys

if sys.version_info < (3, 11):
    sys.exit(
        "rehost-agent: needs Python 3.11 or newer, this is %s; install a newer one beside it "
        "and run: python3.11 %s" % (sys.version.split()[0], " ".join(sys.argv))
    )

from rehost.agent.__main__ import main

sys.exit(main())
"""
_EPOCH = (1980, 1, 1, 0, 0, 0)


def build_agent_bundle(out: Path) -> str:
    """Write the bundle of the running version to `out`; return its SHA-256 in hexadecimal."""
    content = agent_bundle()
    write_atomically(out, content, mode=0o755)
    return hashlib.sha256(content).hexdigest()


def agent_bundle(wheels: Sequence[Path] = ()) -> bytes:
    """The bundle of the running version, with what copying disks needs beside the standard
    library: for Pythons like this one, and for those that `wheels` are for."""
    out = io.BytesIO()
    out.write(SHEBANG)
    # Stored, not compressed: compressors differ between machines.
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        _add_agent(archive)
        extra = dict(packages.of_wheels(wheels)) | dict(packages.installed())
        for name, content in sorted(extra.items()):
            _add(archive, name, content)
    return out.getvalue()


def agent_executable(runtime: bytes) -> bytes:
    """The agent of the running version as a program; `runtime` has all else that it needs.

    Raises zipfile.BadZipFile if it is none.
    """
    out = io.BytesIO(runtime)
    if not zipfile.is_zipfile(out):  # to append to one that is none makes one
        raise zipfile.BadZipFile("no runtime of an agent: there is no zip at its end")
    with zipfile.ZipFile(out, "a", zipfile.ZIP_STORED) as archive:
        _add_agent(archive)
    return out.getvalue()


def _add_agent(archive: zipfile.ZipFile) -> None:
    root = Path(rehost.__file__).parent
    _add(archive, "__main__.py", MAIN)
    for file in _files(root):
        _add(archive, f"rehost/{file.relative_to(root).as_posix()}", file.read_bytes())


def _files(root: Path) -> Iterator[Path]:
    for part in PARTS:
        path = root / part
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in found if file.suffix in SUFFIXES)


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.create_system = 3  # Unix, also where that is not so
    entry.external_attr = 0o100644 << 16
    archive.writestr(entry, content)
