"""The files of a copied system, and the program that opens it: inside.py, run beside this one."""

import base64
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from rehost.convert_errors import (
    ConversionFailed,
    ConversionStopped,
    ConversionTimedOut,
    ConversionToolMissing,
    SystemNotFound,
)
from rehost.errors import ProgramFailed
from rehost.model.server import Root
from rehost.providers.base import TargetDisk
from rehost.stages.convert import inside
from rehost.system import process
from rehost.system.child import Child

PYTHON = Path("/usr/bin/python3")  # libguestfs's module is the system's
BOOT = Path("/boot")
PACKAGES = "python3-guestfs and linux-image-cloud-amd64 (or another kernel)"
NO_MODULE = "python3-guestfs is not installed"
OPEN_LIMIT_S = 900.0
LIMIT_S = 300.0  # of one file
EVERY_S = 0.05
SECTOR = 512


class Guest(Protocol):
    """The files of a copied system; paths are its own, symbolic links are followed.

    Each method raises ConversionFailed.
    """

    def read(self, path: str) -> bytes | None:
        """None if there is no such file."""

    def write(self, path: str, content: bytes, *, mode: int = 0o644) -> None:
        """Write all of it or nothing. `mode` is a new file's; others keep theirs and their owner.

        Folders that are not there are made.
        """

    def remove(self, path: str) -> None:
        """What is not there is not an error."""

    def glob(self, pattern: str) -> tuple[str, ...]:
        """The paths that fit, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What is known of a system before it is opened.

    `sectors`: those of disks that have not 512 bytes, by the disks' names. `names`: UUIDs of what
    the system's /etc/fstab names in a way that its own machine alone has.
    """

    root: Root | None = None
    sectors: Mapping[str, int] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)


class Appliance:
    """A copied system that libguestfs holds open."""

    def __init__(self, child: Child, stopped: Callable[[], bool]) -> None:
        self._child = child
        self._stopped = stopped
        self.root = ""

    def open(self, disks: Sequence[TargetDisk], opening: Opening) -> None:
        described = [
            {
                "path": str(disk.path),
                "format": str(disk.format),
                "sector": opening.sectors.get(disk.name, SECTOR),
            }
            for disk in disks
        ]
        root = opening.root or Root()
        wanted = {"uuid": root.uuid, "subvolume": root.subvolume}
        names = dict(opening.names)
        opened = self._ask("open", OPEN_LIMIT_S, disks=described, root=wanted, names=names)
        self.root = opened["root"]

    def read(self, path: str) -> bytes | None:
        content = self._ask("read", path=path)
        return None if content is None else base64.b64decode(content)

    def write(self, path: str, content: bytes, *, mode: int = 0o644) -> None:
        self._ask("write", path=path, content=base64.b64encode(content).decode(), mode=mode)

    def remove(self, path: str) -> None:
        self._ask("remove", path=path)

    def glob(self, pattern: str) -> tuple[str, ...]:
        return tuple(sorted(self._ask("glob", pattern=pattern)))

    def close(self) -> None:
        """Everything that was written is in the images."""
        self._ask("close", OPEN_LIMIT_S)

    def _ask(self, do: str, limit_s: float = LIMIT_S, **request: object) -> Any:  # noqa: ANN401
        self._child.tell(json.dumps({"do": do, **request}))
        answer = json.loads(self._line(do, limit_s))
        if "wrong" in answer:
            raise _error(answer["wrong"], f"{do} {request.get('path', '')}".strip(), answer["said"])
        return answer["answer"]

    def _line(self, do: str, limit_s: float) -> str:
        deadline = time.monotonic() + limit_s
        while True:
            status = self._child.status
            for line in self._child.said():
                return line
            if status is not None:
                raise ConversionFailed(do, f"libguestfs ended with status {status}")
            if self._stopped():
                raise ConversionStopped
            if time.monotonic() > deadline:
                raise ConversionTimedOut(f"libguestfs ({do})", limit_s)
            time.sleep(EVERY_S)


@contextmanager
def opened(
    disks: Sequence[TargetDisk],
    opening: Opening,
    *,
    accelerated: bool,
    log: Path,
    stopped: Callable[[], bool],
) -> Iterator[Appliance]:
    """The system on the disks. What was written is in the images when this ends without error.

    Raises the errors of convert_errors.
    """
    check_tools()
    argv = [str(PYTHON), "-I", inside.__file__, str(log)]
    child = Child(argv, environ=environment(accelerated=accelerated))
    try:
        appliance = Appliance(child, stopped)
        appliance.open(disks, opening)
        yield appliance
        appliance.close()
    except BaseException:
        child.kill()
        raise
    child.end()


def check_tools() -> None:
    """Raises ConversionToolMissing where libguestfs could only say that supermin failed."""
    if not PYTHON.exists():
        raise ConversionToolMissing(f"there is no {PYTHON}", PACKAGES)
    if "LIBGUESTFS_PATH" in os.environ or "SUPERMIN_KERNEL" in os.environ:
        return
    kernels = [*BOOT.glob("vmlinu*")]
    if not kernels:
        raise ConversionToolMissing(f"libguestfs needs a kernel in {BOOT} to work with", PACKAGES)
    if not any(os.access(kernel, os.R_OK) for kernel in kernels):
        raise ConversionToolMissing(
            f"{kernels[0]}, which libguestfs works with, can be read by root only "
            f"(dpkg-statoverride --update --add root root 0644 {kernels[0]})",
            PACKAGES,
        )


def check_module() -> None:
    """Raises ConversionToolMissing without libguestfs's module for Python."""
    argv = [str(PYTHON), "-I", "-c", "import guestfs"]
    try:
        process.run(argv, name=str(PYTHON), environ=environment(accelerated=True))
    except ProgramFailed as e:
        raise _error("missing", "", NO_MODULE) from e


def environment(*, accelerated: bool) -> Mapping[str, str]:
    kept = {k: v for k, v in os.environ.items() if k.startswith(("LIBGUESTFS_", "SUPERMIN_"))}
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        **{name: os.environ[name] for name in ("HOME", "TMPDIR") if name in os.environ},
        "LIBGUESTFS_BACKEND": "direct",
        **({} if accelerated else {"LIBGUESTFS_BACKEND_SETTINGS": "force_tcg"}),
        **kept,
    }


def _error(kind: str, tried: str, said: str) -> Exception:
    if kind == "missing":
        return ConversionToolMissing(said, PACKAGES)
    return SystemNotFound(said) if kind == "no system" else ConversionFailed(tried, said)
