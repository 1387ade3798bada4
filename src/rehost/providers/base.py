"""What a place to migrate to must be able to do.

Every method may be called again after a crash, so each is safe to repeat. Raise an Error with
retryable = True where waiting may help; anything else fails the task. An implementation is accepted
when it passes tests/conformance.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from rehost.model.server import Firmware


class Power(StrEnum):
    ON = "on"
    OFF = "off"
    GONE = "gone"  # there is no such server


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSpec:
    """`name` is the source's disk, as its agent reports it; `size` is of the target's, in bytes.

    `sector_size` is what the source's disk calls a sector: partition tables count in it.
    """

    name: str
    size: int
    sector_size: int = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """A network interface. `mac` None: the provider chooses one, the same at each start."""

    mac: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSpec:
    """The first disk is the one that the firmware starts from. `memory` is bytes."""

    task_id: str
    name: str
    disks: tuple[DiskSpec, ...]
    cpus: int
    memory: int
    firmware: Firmware
    interfaces: tuple[Interface, ...] = (Interface(),)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetDisk:
    """`path` is where a receiver on this machine writes the disk: a file or device that exists.

    `size` is what it really has: at least what was asked for.
    """

    name: str
    size: int
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetServer:
    """`disks` are in the order of the spec's."""

    id: str
    name: str
    disks: tuple[TargetDisk, ...]


class Provider(Protocol):
    name: str

    def create(self, spec: TargetSpec) -> TargetServer:
        """Create a server, turned off, with empty disks.

        Called again with the same `spec.task_id`, it returns the same server; what its disks hold
        stays. Other disks than before are refused; another size of the machine counts from its
        next start.
        """

    def boot(self, server_id: str) -> None:
        """Start the server from its disks; one that runs is not started again."""

    def power(self, server_id: str) -> Power:
        """Power.GONE, not an error, if there is no such server."""

    def stop(self, server_id: str) -> None:
        """Turn the server off, gracefully if it listens, else hard. What is off is not an error."""

    def delete(self, server_id: str) -> None:
        """Delete the server and its disks. Deleting what is gone is not an error."""
