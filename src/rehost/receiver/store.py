"""All target disks of a task, for one receiver alone."""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from rehost.contract.frames import OfferedDisk
from rehost.contract.transfer import ReceivedDisk
from rehost.receiver.target import STORE_SIZE, TargetDisk
from rehost.stream_errors import OutOfRange, ReceiverRunning


class Store:
    """`id` is another one when what was acknowledged before is not there any more."""

    def __init__(self, folder: Path, disks: Iterable[ReceivedDisk]) -> None:
        """Raises ReceiverRunning, TargetFailed, TargetFull."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._cleanup = contextlib.ExitStack()
        with self._cleanup:
            self._lock(folder)
            self.disks: dict[int, TargetDisk] = {}
            for disk in disks:
                target = self.disks[disk.id] = TargetDisk(disk, folder)
                self._cleanup.callback(target.close)
            self._cleanup = self._cleanup.pop_all()
        stores = b"".join(target.store for target in self.disks.values())
        self.id = hashlib.sha256(stores).digest()[:STORE_SIZE]

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Commits what arrived."""
        self._cleanup.close()

    @property
    def is_empty(self) -> bool:
        return all(target.is_empty for target in self.disks.values())

    def offer(self) -> tuple[OfferedDisk, ...]:
        return tuple(OfferedDisk(id=id_, size=t.disk.size) for id_, t in self.disks.items())

    def disk(self, id_: int) -> TargetDisk:
        if (target := self.disks.get(id_)) is None:
            raise OutOfRange(f"this task has no disk {id_}")
        return target

    def commit(self) -> None:
        for target in self.disks.values():
            target.commit()

    def _lock(self, folder: Path) -> None:
        fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._cleanup.callback(os.close, fd)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ReceiverRunning(f"another receiver uses {folder}") from None
