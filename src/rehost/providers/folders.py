"""Target servers as folders: a record of what was wanted, and sparse raw images as disks.

A server exists when its record does. The record is written before the first image, and removed
before the last: whatever a killed process leaves in a folder without one is nobody's, and the next
call clears it away.
"""

import errno
import fcntl
import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from rehost.provider_errors import (
    BadServerName,
    BadTargetSpec,
    NoSpaceForTarget,
    TargetDiffers,
    TargetDiskLost,
    TargetGone,
    TargetStorage,
)
from rehost.providers.base import (
    DiskSpec,
    Inventory,
    Launch,
    MachineSize,
    Power,
    TargetDisk,
    TargetServer,
    TargetSpec,
)
from rehost.providers.copy import copy_image
from rehost.system.files import sync_folder, write_atomically

log = logging.getLogger(__name__)

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
RECORD = "server.json"
# All that a server's folder may hold of ours; anything else in it is not ours to delete.
OURS = re.compile(
    r"server\.json(\.new)?|disk-\d+\.(img|qcow2)|on|pid|vars\.fd(\.new)?|bios-console|"
    r"(console|qmp)\.sock|console(\.previous)?\.log|screen\.ppm"
)
GRAIN = 4096  # bytes: the largest sector of any disk, and what O_DIRECT wants
NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """`made` is True from when all images exist: from then on a missing one is a loss.

    `layered`: qcow2 images lie over the disks, and the server starts from those. `clone_of` is the
    id of the server that this is a clone of. `launch` is how it was last started.
    """

    spec: TargetSpec
    made: bool = False
    layered: bool = False
    clone_of: str | None = None
    launch: Launch | None = None


class ServerFolders:
    """The folder `root` of the service's data: its owner alone may look into it."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    def create(self, spec: TargetSpec) -> TargetServer:
        """Make the record and the images, or what is missing of them; what they hold stays.

        Images may grow. Raises TargetDiffers if the server has other disks, TargetDiskLost if it
        has lost one.
        """
        _judge(spec)
        with self.explained(), self._locked(spec.task_id, make=True) as folder:
            old = _read(folder)
            if old is None:
                _unmake(folder)
                old = Record(spec=spec)
                write(folder, old)
            elif not _may_become(old, spec):
                raise TargetDiffers(spec.task_id, _told(old.spec.disks), _told(spec.disks))
            if old.made:
                _insist(old, folder)
            new = replace(old, spec=spec, made=True)
            for image, size in zip(images(new, folder), _sizes(new), strict=True):
                _make_image(image, size)
            sync_folder(folder)
            if new != old:
                write(folder, new)
            return server(new, folder)

    def all(self) -> tuple[tuple[Record, Path], ...]:
        """All servers with their folders; one that cannot be read is only told of in the log."""
        with self.explained():
            found = []
            for folder in sorted(self._root.iterdir()) if self._root.is_dir() else ():
                try:
                    record = _read(folder) if ID.fullmatch(folder.name) else None
                except TargetStorage as e:
                    log.warning("%s", e)
                    continue
                if record is not None:
                    found.append((record, folder))
            return tuple(found)

    def find(self, server_id: str) -> Record | None:
        with self.explained():
            return _read(self.path(server_id))

    @contextmanager
    def held(self, server_id: str) -> Iterator[tuple[Record, Path]]:
        """A server with its folder, kept from others meanwhile. Raises TargetGone."""
        with self.explained():
            try:
                with self._locked(server_id) as folder:
                    if record := _read(folder):
                        yield record, folder
                        return
            except FileNotFoundError as e:
                if self.path(server_id).exists():
                    raise
                raise TargetGone(server_id) from e
        raise TargetGone(server_id)

    def path(self, server_id: str) -> Path:
        """The server's folder, which need not exist. Raises BadServerName."""
        if not ID.fullmatch(server_id):
            raise BadServerName(server_id)
        return self._root / server_id

    def delete(self, server_id: str, *, first: Callable[[Path], None] = lambda _: None) -> None:
        """Remove what was made, and only that, after `first`. What is gone is not an error."""
        with self.explained(), suppress(FileNotFoundError), self._locked(server_id) as folder:
            first(folder)
            _unmake(folder)
            try:
                folder.rmdir()
            except OSError as e:
                if e.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                left = ", ".join(sorted(file.name for file in folder.iterdir()))
                log.warning("%s stays: it holds what the service did not make: %s", folder, left)

    def clone(
        self,
        server_id: str,
        clone_id: str,
        *,
        size: MachineSize | None = None,
        first: Callable[[Path], None] = lambda _: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> TargetServer:
        """A server of its own with a copy of the disks below any layer, after `first`.

        One that there is already keeps its size.

        Raises CloneStopped.
        """
        if clone_id == server_id:
            raise BadTargetSpec(f"{clone_id!r} cannot be a clone of itself")
        with (
            self.held(server_id) as (origin, source),
            self._locked(clone_id, make=True) as folder,
        ):
            first(source)
            record = _read(folder)
            if record is None:
                _unmake(folder)
                spec = _sized(replace(origin.spec, task_id=clone_id), size)
                record = Record(spec=spec, clone_of=server_id)
                write(folder, record)
            if record.clone_of != server_id:
                raise BadTargetSpec(f"{clone_id!r} is another server, no clone of {server_id!r}")
            if not record.made:
                for image, copy in zip(images(origin, source), images(record, folder), strict=True):
                    copy_image(image, copy, stopped=stopped)
                sync_folder(folder)
                write(folder, replace(record, made=True))
            return server(record, folder)

    @contextmanager
    def _locked(self, server_id: str, *, make: bool = False) -> Iterator[Path]:
        """Keep other processes from a server's folder. Raises FileNotFoundError if it is gone."""
        folder = self.path(server_id)
        while True:
            if make:
                self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
                folder.mkdir(mode=0o700, exist_ok=True)
                sync_folder(self._root)
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                # It may have been deleted, and made again, while this waited.
                if _is_at(fd, folder):
                    yield folder
                    return
            finally:
                os.close(fd)

    @contextmanager
    def explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as e:
            said = e.strerror or str(e)
            if e.errno in NO_SPACE:
                raise NoSpaceForTarget(str(self._root), said) from e
            if e.errno == errno.EFBIG:
                said = f"its filesystem cannot hold a file as large as the disk ({said})"
            raise TargetStorage(str(self._root), said) from e


def write(folder: Path, record: Record) -> None:
    write_atomically(folder / RECORD, msgspec.json.encode(record), mode=0o600)


def server(record: Record, folder: Path) -> TargetServer:
    return TargetServer(
        id=record.spec.task_id,
        name=record.spec.name,
        disks=tuple(
            TargetDisk(name=disk.name, size=size, path=image)
            for disk, size, image in zip(
                record.spec.disks, _sizes(record), images(record, folder), strict=True
            )
        ),
    )


def _inventory(record: Record, folder: Path, power: Power) -> Inventory:
    return Inventory(
        server=server(record, folder),
        source=record.spec.source,
        power=power,
        folder=folder,
        used=_used(folder),
        layered=record.layered,
        clone_of=record.clone_of,
        launch=record.launch,
    )


def inventories(folders: ServerFolders, power: Callable[[str], Power]) -> tuple[Inventory, ...]:
    """Of all servers; one that is deleted meanwhile is left out."""
    found = ((record, folder, power(folder.name)) for record, folder in folders.all())
    return tuple(_inventory(*each) for each in found if each[2] is not Power.GONE)


def _sized(spec: TargetSpec, size: MachineSize | None) -> TargetSpec:
    size = size or MachineSize()
    return replace(spec, cpus=size.cpus or spec.cpus, memory=size.memory or spec.memory)


def images(record: Record, folder: Path) -> tuple[Path, ...]:
    return tuple(folder / f"disk-{i}.img" for i in range(len(record.spec.disks)))


def _judge(spec: TargetSpec) -> None:
    if not spec.disks:
        raise BadTargetSpec(f"target server {spec.name!r} has no disks")
    for disk in spec.disks:
        if disk.size <= 0:
            raise BadTargetSpec(f"disk {disk.name} of {spec.name!r} has a size of {disk.size}")
        if disk.sector_size not in (512, 4096):
            raise BadTargetSpec(
                f"disk {disk.name} of {spec.name!r} has sectors of {disk.sector_size} bytes; "
                "disks have 512 or 4096"
            )


def _may_become(old: Record, spec: TargetSpec) -> bool:
    """Disks may grow, unless a layer lies over them: it has the size of what was below it."""
    if old.layered or len(old.spec.disks) != len(spec.disks):
        return old.spec.disks == spec.disks
    return all(
        new.size >= disk.size and replace(new, size=disk.size) == disk
        for disk, new in zip(old.spec.disks, spec.disks, strict=True)
    )


def _insist(record: Record, folder: Path) -> None:
    for image, size in zip(images(record, folder), _sizes(record), strict=True):
        if image.is_symlink() or not image.is_file() or image.stat().st_size < size:
            raise TargetDiskLost(record.spec.task_id, str(image))


def _make_image(image: Path, size: int) -> None:
    fd = os.open(image, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        if os.fstat(fd).st_size < size:
            os.ftruncate(fd, size)
        os.fsync(fd)
    finally:
        os.close(fd)


def _unmake(folder: Path) -> None:
    """The record first: from then on the server is gone, however far this gets."""
    (folder / RECORD).unlink(missing_ok=True)
    sync_folder(folder)
    for file in tuple(folder.iterdir()):
        if OURS.fullmatch(file.name):
            file.unlink(missing_ok=True)


def _read(folder: Path) -> Record | None:
    try:
        return msgspec.json.decode((folder / RECORD).read_bytes(), type=Record)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except msgspec.DecodeError as e:
        raise TargetStorage(str(folder), f"its {RECORD} is not ours, or damaged: {e}") from e


def _used(folder: Path) -> int:
    """Bytes. Files come and go meanwhile, and so may the folder."""
    used = 0
    with suppress(FileNotFoundError):
        for file in folder.iterdir():
            with suppress(FileNotFoundError):
                used += file.stat(follow_symlinks=False).st_blocks * 512
    return used


def _sizes(record: Record) -> tuple[int, ...]:
    return tuple(-(-disk.size // GRAIN) * GRAIN for disk in record.spec.disks)


def _told(disks: tuple[DiskSpec, ...]) -> str:
    return ", ".join(f"{disk.name} of {disk.size} bytes" for disk in disks)


def _is_at(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False
