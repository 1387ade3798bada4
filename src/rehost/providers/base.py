"""What a place to migrate to must be able to do.

Every method may be called again after a crash, so each is safe to repeat. Raise an Error with
retryable = True where waiting may help; anything else fails the task. An implementation is accepted
when it passes tests/conformance.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

from rehost.model.server import Firmware

USER = "user"  # behind the provider's host, which it gets out through; nobody gets in
ISOLATED = "isolated"  # leads nowhere
# What a provider that makes networks knows, and bridges of its host.
NETWORK = re.compile(rf"|{USER}|{ISOLATED}|bridge:[A-Za-z0-9._-]{{1,15}}")


class Power(StrEnum):
    ON = "on"
    OFF = "off"
    GONE = "gone"  # there is no such server


class DiskFormat(StrEnum):
    RAW = "raw"
    QCOW2 = "qcow2"


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
    """A network interface. `mac` None: the provider chooses one, the same at each start.

    `network`: see NETWORK; "" is the provider's choice. `address` ("192.0.2.7/24") and `gateway`
    are those of the source, or wanted: a network that the provider makes is so that they fit.
    """

    mac: str | None = None
    network: str = ""
    address: str = ""
    gateway: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSpec:
    r"""The first disk is the one that the firmware starts from. `memory` is bytes.

    `boot_file`: the loader that UEFI firmware is to start, as "\EFI\debian\shimx64.efi"; None: what
    it finds by itself, \EFI\BOOT\BOOTX64.EFI. `source` tells people whose disks these are.
    `is_started`: it is to be started, and what it needs for that must be there when it is made.
    """

    task_id: str
    name: str
    disks: tuple[DiskSpec, ...]
    cpus: int
    memory: int
    firmware: Firmware
    interfaces: tuple[Interface, ...] = (Interface(),)
    boot_file: str | None = None
    source: str = ""
    is_started: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineSize:
    """Of a machine that is made of another one's disks; None is as that one has it, in bytes."""

    cpus: int | None = None
    memory: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetDisk:
    """`path` is where a receiver on this machine writes the disk: a file or device that exists.

    `size` is what it really has: at least what was asked for.
    """

    name: str
    size: int
    path: Path
    format: DiskFormat = DiskFormat.RAW


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetServer:
    """`disks` are in the order of the spec's."""

    id: str
    name: str
    disks: tuple[TargetDisk, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How a server was started. `said` is a sentence for people: what it runs on, and why."""

    accelerated: bool
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What there is of a server, for people. `used` is bytes that its files really take.

    `layered`: it starts from a layer over its disks. `clone_of` is the id of another server.
    """

    server: TargetServer
    source: str
    power: Power
    folder: Path
    used: int
    layered: bool
    clone_of: str | None
    launch: Launch | None


class Provider(Protocol):
    name: str

    def create(self, spec: TargetSpec) -> TargetServer:
        """Create a server, turned off, with empty disks.

        Called again with the same `spec.task_id`, it returns the same server; what its disks hold
        stays. Disks may have grown since; other disks are refused. Another size of the machine
        counts from its next start.
        """

    def boot(self, server_id: str) -> Launch:
        """Start the server from its disks, or its layer if there is one.

        One that runs is not started again, but goes on if it was held up and need not be any more.
        """

    def power(self, server_id: str) -> Power:
        """Power.GONE, not an error, if there is no such server."""

    def stop(self, server_id: str, *, hard: bool = False) -> None:
        """Turn the server off: gracefully if it listens, else, or if `hard`, by force.

        What is off or gone is not an error.
        """

    def delete(self, server_id: str) -> None:
        """Delete the server, running or not, and its disks. What is gone is not an error."""


@runtime_checkable
class CanList(Protocol):
    """Optional: knows what it has made, also what no task refers to any more."""

    def inventory(self) -> tuple[Inventory, ...]:
        """All servers, by their ids."""


@runtime_checkable
class CanClone(Protocol):
    """Optional: makes a second server of the disks as they are, to try what they hold."""

    def clone(
        self,
        server_id: str,
        clone_id: str,
        *,
        size: MachineSize | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> TargetServer:
        """A server of its own, turned off, whose network leads nowhere, as large as `size` says.

        The server must be off, and nobody may write its disks while this runs; later writes do not
        reach the clone. Called again with the same ids, it returns the same clone, as it has
        become. Delete it as any other server.

        Copying may take hours, and others wait for the server meanwhile: `stopped` is asked every
        few seconds. Once it says so this raises CloneStopped; what there is of the clone can be
        deleted as a clone, or made whole by another call.
        """


@runtime_checkable
class CanLayer(Protocol):
    """Optional: lets a server run, and be converted, without a change to its disks.

    Nobody may write the disks themselves while a layer lies over them.
    """

    def layer(self, server_id: str) -> TargetServer:
        """Lay a copy-on-write layer over the disks; the answer's disks are its images.

        From now on the server starts from the layer. Called again, it returns the same layer with
        what it holds.
        """

    def boot_layered(self, server_id: str) -> Launch:
        """Lay a layer if there is none, and start the server from it.

        In one step: whatever others do to the server meanwhile, it never starts from its disks.
        """

    def drop_layer(self, server_id: str) -> None:
        """Throw the layer away: the server has its disks as they were. None is not an error."""


@runtime_checkable
class HasConsole(Protocol):
    """Optional: keeps what a server says on its first serial port."""

    def console(self, server_id: str, *, last: int) -> bytes:
        """Up to `last` bytes of the end of what it said since it was last started."""


@runtime_checkable
class NeedsTending(Protocol):
    """Optional: has something to do while its servers run."""

    def tend(self) -> None:
        """Keep what running servers leave beside their disks within limits; call every minute."""


@runtime_checkable
class CanReach(Protocol):
    """Optional: a way to a server's services for whoever is on the provider's host."""

    def reach(self, server_id: str, port: int) -> tuple[str, int]:
        """Host and port where a running server's TCP `port` can be reached.

        Something may accept connections there before the server does: wait for its answer.
        """

    def accepts(self, server_id: str, port: int) -> bool:
        """Whether the server itself accepts a connection at its TCP `port` now."""


@runtime_checkable
class KnowsHost(Protocol):
    """Optional: runs machines on this host, and knows what that can do."""

    def is_accelerated(self) -> bool:
        """Whether machines run here with hardware virtualisation; finding out takes a moment."""


@runtime_checkable
class KnowsTrouble(Protocol):
    """Optional: sees why a server that is on does not go on."""

    def trouble(self, server_id: str) -> str:
        """What holds a running server up, to be read after "it failed: "; "" if nothing does.

        Raises an Error if it does not run, or cannot be asked.
        """


@runtime_checkable
class CanScreenshot(Protocol):
    """Optional: shows a server's screen."""

    def screenshot(self, server_id: str) -> bytes:
        """The screen of a running server, as PNG."""
