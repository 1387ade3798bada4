"""Compiled packages that copying disks needs, and that travel with the agent.

In the agent's bundle they are in `packages/TAG/`, where TAG is what Python puts into the names of
compiled modules: it names the version, the processor and the C library. An agent unpacks those of
its own Python; a zip cannot be asked to load them.
"""

import importlib.util
import io
import shutil
import sysconfig
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

PACKAGES = ("blake3", "backports.zstd")
FOLDER = "packages"
COMPILED = ".so"


def tag() -> str:
    """This Python's: cpython-311-x86_64-linux-gnu."""
    return str(sysconfig.get_config_var("EXT_SUFFIX") or "").removesuffix(COMPILED).lstrip(".")


def installed() -> Iterator[tuple[str, bytes]]:
    """Names and contents for a bundle, of what is installed here."""
    for package in PACKAGES:
        for place in _places(package):
            for file in sorted(Path(place).iterdir()):
                name = f"{package.replace('.', '/')}/{file.name}"
                if file.is_file() and _is_needed(name):
                    yield f"{FOLDER}/{tag()}/{name}", file.read_bytes()


def of_wheels(wheels: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    """The same of wheels, which may be for other Pythons. Raises zipfile.BadZipFile."""
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            names = sorted(name for name in archive.namelist() if _is_needed(name))
            for of in {_tag_of(name) for name in names if name.endswith(COMPILED)}:
                yield from ((f"{FOLDER}/{of}/{name}", archive.read(name)) for name in names)


def tags(bundle: bytes) -> frozenset[str]:
    """Of the Pythons that a bundle has packages for."""
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        paths = [PurePosixPath(name).parts for name in archive.namelist()]
    return frozenset(parts[1] for parts in paths if parts[0] == FOLDER)


def unpack(bundle: Path, into: Path) -> Path | None:
    """Unpack this Python's into a folder of `into`, which is returned; None if there are none.

    May be repeated: what is there of another bundle is replaced.
    """
    folder = into / FOLDER
    prefix = f"{FOLDER}/{tag()}/"
    with zipfile.ZipFile(bundle) as archive:
        names = [name for name in archive.namelist() if name.startswith(prefix)]
        shutil.rmtree(folder, ignore_errors=True)
        for name in names:
            file = folder / name.removeprefix(prefix)
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file.write_bytes(archive.read(name))
    return folder if names else None


def _places(package: str) -> Sequence[str]:
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:  # of the package around it
        return ()
    return list(spec.submodule_search_locations or ()) if spec else ()


def _is_needed(name: str) -> bool:
    """Modules at the top of one of the packages; no tests, no types, no second implementation."""
    path = PurePosixPath(name)
    wanted = str(path.parent) in {package.replace(".", "/") for package in PACKAGES}
    return wanted and path.suffix in (".py", COMPILED) and path.name != "tarfile.py"


def _tag_of(name: str) -> str:
    return PurePosixPath(name).name.split(".", 1)[1].removesuffix(COMPILED)
