"""Puts a library behind the executable's Python, as a zip; run by that very Python.

python pack.py PROGRAM LIBRARY MORE OUT

LIBRARY is the standard library, of which the compiled modules go in; MORE goes in as it is.
"""

import importlib.util
import marshal
import struct
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

# Of the standard library, what no agent will ever import.
LEFT_OUT = {
    "__hello__", "__phello__", "_aix_support", "_android_support", "_apple_support",
    "_ios_support", "_osx_support", "_pyrepl", "antigravity", "asyncio", "cProfile", "curses",
    "dbm", "doctest", "ensurepip", "ftplib", "idlelib", "imaplib", "mailbox", "modulefinder",
    "multiprocessing", "pdb", "pickletools", "poplib", "profile", "pstats", "pyclbr", "pydoc",
    "pydoc_data", "rlcompleter", "shelve", "site-packages", "smtplib", "sqlite3", "test",
    "this", "tkinter", "trace", "turtle", "turtledemo", "unittest", "venv", "wave",
    "webbrowser", "wsgiref", "xml", "xmlrpc", "zipapp", "zoneinfo",
}  # fmt: skip
EPOCH = (1980, 1, 1, 0, 0, 0)
UNCHECKED = 1  # a compiled file that nobody compares with its source


def main() -> None:
    program, library, more, out = map(Path, sys.argv[1:])
    with out.open("w+b") as file:
        file.write(program.read_bytes())
        with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
            for name, content in (*_modules(library), *_files(more)):
                entry = zipfile.ZipInfo(name, EPOCH)
                entry.create_system = 3
                entry.external_attr = 0o100644 << 16
                archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    out.chmod(0o755)


def _modules(library: Path) -> Iterator[tuple[str, bytes]]:
    for source in sorted(library.rglob("*.py")):
        name = source.relative_to(library)
        if name.parts[0].removesuffix(".py") not in LEFT_OUT:
            yield f"lib/{name.with_suffix('.pyc')}", _compiled(source, f"lib/{name}")


def _compiled(source: Path, name: str) -> bytes:
    content = source.read_bytes()
    code = compile(content, name, "exec", dont_inherit=True)
    header = importlib.util.MAGIC_NUMBER + struct.pack("<I", UNCHECKED)
    return header + importlib.util.source_hash(content) + marshal.dumps(code)


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            yield file.relative_to(folder).as_posix(), file.read_bytes()


main()
