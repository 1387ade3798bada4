"""What the service tells a task's agent and its receiver about moving the disks."""

from dataclasses import dataclass, field
from pathlib import Path

from rehost.model.task import Priority

NO_PORT = 75  # a receiver's exit status, as EX_TEMPFAIL of sysexits.h


CUT = 0  # the number of the moment that a task ends with; consistent points count from 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferDisk:
    """`name` is the source's device, as reported; `size` is the source's, in bytes. `id` is what
    the stream calls it: disks of a task are numbered from 0."""

    id: int
    name: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Where a task's agent sends its disks: the answer of GET /v3/rehost/tasks/{task_id}/transfer.

    `host` is an address or a name; with `ipv6` it is reached by IPv6 alone, else by either.
    The service always says `tls`; without, an agent sends to its own loopback alone. `syncing`:
    once all is copied, the agent goes on to keep the target in step until it is told to stop.
    `network_check`: the agent first measures the way to the target, and tells what it found.
    `point`: how many consistent points were asked for so far; `taken`: up to which the service has
    done with. An agent that keeps in step and has told of a point between the two sends nothing.
    `priority`: how far the agent stands back for the source's own work.
    """

    task_id: str
    host: str
    port: int
    tls: bool
    disks: tuple[TransferDisk, ...]
    syncing: bool = False
    network_check: bool = False
    ipv6: bool = False
    point: int = 0
    taken: int = 0
    priority: Priority = Priority.STANDARD


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedDisk:
    """`path` exists already, with at least `size` bytes: a file or block device."""

    id: int
    name: str
    size: int
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """PEM: who signs both ends of a task, and one end's own."""

    ca: str
    certificate: str
    private_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverConfig:
    """What `python -m rehost.receiver FILE` reads, as JSON.

    `run`: which of the task's it is for; an agent of another one is refused.
    `port` 0 is any free one; with a `last_port`, it is the first free one from `port` to that. If
    there is none, the receiver ends with the status NO_PORT.
    Once it listens, the receiver prints one line of JSON, `{"port": N}`, and goes on until
    SIGTERM. What it durably has is noted in `folder`, so the next receiver of the task goes on.
    """

    task_id: str
    run: int = 0
    host: str
    port: int
    folder: Path
    disks: tuple[ReceivedDisk, ...]
    tls: Certificates | None  # None only on loopback
    last_port: int = 0


def agent_name(task_id: str, run: int = 0) -> str:
    """The DNS name in the certificate of a task's agent, good for one run of the task."""
    return f"agent.{run}.{task_id}.rehost.internal"


def receiver_name(task_id: str) -> str:
    """The DNS name in the certificate of a task's receiver."""
    return f"receiver.{task_id}.rehost.internal"
