"""A whole transfer of a task's disks, as a child process of the agent is told of it, and tells.

One line of JSON in: a Job. Then, at any time, lines with commands: {"limit": BYTES_PER_SECOND or
null}, {"pause": true or false}, {"peer": {"host", "port", "tls", "ipv6"}}, {"point": N},
{"taken": N}, {"finish": true, "verify": true or false}, {"skip": true}, {"stop": true}. Lines out:
{"phase": …}, {"trackers": …}, {"progress": …}, {"standing": …}, {"comparing": true or false},
{"verified": …}, {"skip": false}, {"point": …}, {"holds": N or null}, {"waits": WHY or ""}, and at
the end one {"result": …} or {"error": …}.

Of a cut, `moment` is the time, in seconds since 1970, at which all filesystems stood still: what
was durable then is in the copy. `stood_at` is the same by the machine's monotonic clock. A point,
which may be asked for once the phase is "syncing", is such a cut with its `number`; from then on
nothing is sent until it is taken. One that could not be had has `error_code` and `error_msg`.

Each time that both ends were compared, `verified` has of each disk its `name`, how many bytes were
`compared`, and the ranges that `differed`, or are `unreadable` and zeros at the target. Instead,
{"skip": false} says that one was left out, or cut short, as was asked for.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rehost.contract.transfer import Certificates
from rehost.errors import BadConfiguration
from rehost.model.ranges import Range
from rehost.model.task import Priority
from rehost.stages.replicate.control import Control
from rehost.stages.replicate.link import Peer
from rehost.stages.replicate.sender import Options, Sender
from rehost.stages.replicate.source import OnReadError, Source

UsedRanges = Callable[[Path], Iterable[Range]]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDisk:
    id: int
    name: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """`limit` is bytes per second; `verify` compares both ends once all is copied, unless it is to
    `skip` that.

    The disks are followed while they are copied, and cut at the end; with `syncing` they go on to
    be followed until the sender is told to finish, or to stop. `hooks` is the file with the
    administrator's programs to run around the cut.
    """

    peer: Peer
    disks: tuple[JobDisk, ...]
    on_read_error: OnReadError = OnReadError.STOP
    limit: float | None = None
    verify: bool = False
    skip: bool = False
    syncing: bool = False
    hooks: Path | None = None
    options: Options = field(default_factory=Options)


def parse_job(content: Mapping[str, Any]) -> Job:
    """Raises BadConfiguration."""
    try:
        return Job(
            peer=parse_peer(content, task_id=str(content["task_id"])),
            disks=tuple(
                JobDisk(id=int(disk["id"]), name=str(disk["name"]), path=Path(disk["path"]))
                for disk in content["disks"]
            ),
            on_read_error=OnReadError(content.get("on_read_error", OnReadError.STOP)),
            limit=content.get("limit"),
            verify=bool(content.get("verify", False)),
            skip=bool(content.get("skip", False)),
            syncing=bool(content.get("syncing", False)),
            hooks=Path(content["hooks"]) if content.get("hooks") else None,
            options=_options(**content.get("options", {})),
        )
    except (KeyError, TypeError, ValueError) as e:
        raise BadConfiguration(f"no job of a sender: {e!r}") from e


def _options(*, priority: int = Priority.STANDARD, **others: Any) -> Options:  # noqa: ANN401
    return Options(priority=Priority(priority), **others)


def parse_peer(content: Mapping[str, Any], *, task_id: str) -> Peer:
    """Raises KeyError, TypeError, ValueError."""
    tls = content["tls"]
    return Peer(
        task_id=task_id,
        host=str(content["host"]),
        port=int(content["port"]),
        tls=None if tls is None else Certificates(**tls),
        ipv6=bool(content.get("ipv6", False)),
    )


@contextmanager
def sending(job: Job, control: Control) -> Iterator[tuple[Sender, dict[int, Source]]]:
    """A sender, which is still to `connect`, and its sources."""
    with ExitStack() as stack:
        sources = {}
        for disk in job.disks:
            source = Source(disk.id, disk.name, disk.path, on_error=job.on_read_error)
            stack.callback(source.close)
            sources[disk.id] = source
        sender = stack.enter_context(
            Sender(job.peer, sources.values(), control=control, options=job.options)
        )
        yield sender, sources
