"""The agent's one file: which service, which source, and the credential for it alone."""

import fcntl
import json
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rehost.contract import packages
from rehost.contract.codec import encode
from rehost.contract.trust import Trust
from rehost.errors import AlreadyRunning, NotRegistered, StateNotWritable
from rehost.model.server import Identity
from rehost.system.files import sync_folder, write_atomically

DEFAULT_FOLDER = Path("/etc/rehost")
FORMAT = 1
PROBE = 8192  # bytes; the file has less, unless a certificate is long


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """`identity` is the machine's that registered; `name` was given by its administrator, as were
    `disks`: paths of further disks that go with the machine's own."""

    service: str
    source_id: str
    token: str = field(repr=False)
    trust: Trust
    identity: Identity
    name: str | None = None
    disks: tuple[str, ...] = ()


class State:
    """The state folder: its owner alone may look into it."""

    def __init__(self, folder: Path = DEFAULT_FOLDER) -> None:
        self.folder = folder
        self.file = folder / "agent.json"

    def prepare(self) -> None:
        """Make the folder, and show that it can be written. Raises StateNotWritable."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = self.folder.stat()
            if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o022:
                raise StateNotWritable(
                    f"others than you may write in {self.folder}; give --state-dir a folder "
                    "of its own"
                )
            # Not empty: a full disk still takes empty files.
            write_atomically(self.folder / "probe", bytes(PROBE), mode=0o600)
            (self.folder / "probe").unlink()
        except OSError as e:
            raise StateNotWritable(
                f"cannot keep the credential in {self.folder}: {e.strerror}; run as root, or "
                "give another folder with --state-dir"
            ) from e

    def save(self, enrolment: Enrolment) -> None:
        content = json.dumps({"format": FORMAT, "enrolment": encode(enrolment)}, indent=1) + "\n"
        try:
            write_atomically(self.file, content.encode(), mode=0o600)
        except OSError as e:
            raise StateNotWritable(f"cannot write {self.file}: {e.strerror}") from e

    def load(self) -> Enrolment:
        """Raises NotRegistered if there is no file, or none that may be relied on."""
        try:
            found = self.file.stat()
            content = self.file.read_bytes()
        except FileNotFoundError as e:
            raise NotRegistered(
                f"this machine is not registered: there is no {self.file}; get a line from "
                "`rehost enroll` and run it here as root"
            ) from e
        except OSError as e:
            raise NotRegistered(f"cannot read {self.file}: {e.strerror}; run as root") from e
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise NotRegistered(
                f"others may read the credential in {self.file}; `chmod 600 {self.file}` if "
                "none of them did, else register again"
            )
        try:
            return _decode(json.loads(content))
        except (ValueError, TypeError, KeyError) as e:
            raise NotRegistered(f"{self.file} is damaged ({e}); register this machine again") from e

    def remove(self) -> None:
        """Leave no trace: the file goes, and the folder if nothing else is in it."""
        self.file.unlink(missing_ok=True)
        shutil.rmtree(self.folder / packages.FOLDER, ignore_errors=True)
        with suppress(OSError):
            self.folder.rmdir()
            sync_folder(self.folder.parent)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder against a second agent. Raises AlreadyRunning."""
        fd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _lock(fd, self.folder)
            yield
        finally:
            os.close(fd)


def _lock(fd: int, folder: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as e:
        raise AlreadyRunning(
            f"an agent runs with {folder} already; see `systemctl status rehost-agent`"
        ) from e


def _decode(content: dict[str, Any]) -> Enrolment:
    if content["format"] != FORMAT:
        raise ValueError("made by another version of the agent")
    values = content["enrolment"]
    identity = values.pop("identity")
    serials = identity.pop("disk_serials")
    disks = tuple(values.pop("disks", ()))  # an older agent wrote none
    return Enrolment(
        disks=disks,
        trust=Trust(**values.pop("trust")),
        identity=Identity(
            disk_serials=None if serials is None else tuple(serials),
            **identity,
        ),
        **values,
    )
