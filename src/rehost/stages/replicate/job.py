"""A whole transfer of a task's disks, as a child process of the agent is told of it, and tells.

One line of JSON in: a Job. Then, at any time, lines with commands: {"limit": BYTES_PER_SECOND or
null}, {"pause": true or false}, {"stop": true}. Lines out: {"progress": …}, and at the end one
{"result": …} or {"error": …}.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rehost.contract.transfer import Certificates
from rehost.errors import BadConfiguration
from rehost.model.ranges import Range
from rehost.stages.replicate.control import Control
from rehost.stages.replicate.link import Peer
from rehost.stages.replicate.plan import outside
from rehost.stages.replicate.sender import Options, Ranges, Sender
from rehost.stages.replicate.source import OnReadError, Source
from rehost.stream_errors import TargetDiffers

log = logging.getLogger(__name__)

UsedRanges = Callable[[Path], Iterable[Range]]
_ATTEMPTS = 3  # to make the target the same, where the source does not change meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDisk:
    id: int
    name: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """`limit` is bytes per second; `verify` compares both ends at the end."""

    peer: Peer
    disks: tuple[JobDisk, ...]
    on_read_error: OnReadError = OnReadError.STOP
    limit: float | None = None
    verify: bool = False
    options: Options = field(default_factory=Options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Bytes that were compared, and ranges that differed and were sent again, by disk."""

    compared: int
    differed: dict[int, tuple[Range, ...]]


def parse_job(content: Mapping[str, Any]) -> Job:
    """Raises BadConfiguration."""
    try:
        tls = content["tls"]
        return Job(
            peer=Peer(
                task_id=str(content["task_id"]),
                host=str(content["host"]),
                port=int(content["port"]),
                tls=None if tls is None else Certificates(**tls),
            ),
            disks=tuple(
                JobDisk(id=int(disk["id"]), name=str(disk["name"]), path=Path(disk["path"]))
                for disk in content["disks"]
            ),
            on_read_error=OnReadError(content.get("on_read_error", OnReadError.STOP)),
            limit=content.get("limit"),
            verify=bool(content.get("verify", False)),
            options=Options(**content.get("options", {})),
        )
    except (KeyError, TypeError, ValueError) as e:
        raise BadConfiguration(f"no job of a sender: {e!r}") from e


@contextmanager
def sending(job: Job, control: Control) -> Iterator[tuple[Sender, dict[int, Source]]]:
    """A sender that is connected, and its sources."""
    with ExitStack() as stack:
        sources = {}
        for disk in job.disks:
            source = Source(disk.id, disk.name, disk.path, on_error=job.on_read_error)
            stack.callback(source.close)
            sources[disk.id] = source
        sender = stack.enter_context(
            Sender(job.peer, sources.values(), control=control, options=job.options)
        )
        sender.connect()
        yield sender, sources


def copy(
    sender: Sender, sources: Mapping[int, Source], used_ranges: UsedRanges
) -> dict[int, tuple[Range, ...]]:
    """The first pass over all disks. Returns what is used of each."""
    used = {id_: tuple(used_ranges(source.path)) for id_, source in sources.items()}
    unused = {id_: tuple(outside(used[id_], s.size)) for id_, s in sources.items()}
    sender.discard(unused)
    sender.first_pass(used)
    return used


def verify(sender: Sender, used: Ranges) -> Verification:
    """Compare both ends, and send again what differs. Raises TargetDiffers if it still does."""
    differed = differing = sender.verify(used)
    for _ in range(_ATTEMPTS):
        if not differing:
            compared = sum(item.length for ranges in used.values() for item in ranges)
            return Verification(compared=compared, differed=differed)
        log.warning("ranges differ, and are sent again: %s", differing)
        sender.send(differing)
        differing = sender.verify(differing)
    raise TargetDiffers(f"ranges still differ after they were sent again: {differing}")


def whole(path: Path) -> tuple[Range, ...]:
    """All of a disk, as what is used of it."""
    source = Source(0, str(path), path)
    try:
        return (Range(0, source.size),)
    finally:
        source.close()
