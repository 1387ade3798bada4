"""Sends ranges of disks to a task's receiver, again and again, over the same connections."""

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from types import TracebackType
from typing import TypeVar

from rehost.contract.channel import STALL_S
from rehost.contract.frames import Discard, Welcome
from rehost.contract.retry import Backoff
from rehost.model.ranges import Range
from rehost.model.task import Priority
from rehost.stages.replicate.compression import Compression
from rehost.stages.replicate.control import Control
from rehost.stages.replicate.courtesy import Courtesy
from rehost.stages.replicate.lane import Lane, Shared
from rehost.stages.replicate.limits import Limits
from rehost.stages.replicate.link import Link, Peer
from rehost.stages.replicate.memory import shared_out
from rehost.stages.replicate.plan import Piece, Work, plan, readable
from rehost.stages.replicate.progress import Progress, Tally
from rehost.stages.replicate.source import Source
from rehost.stream_errors import ConnectionLost, TargetTooSmall

log = logging.getLogger(__name__)

T = TypeVar("T")
Ranges = Mapping[int, Sequence[Range]]  # by disk; sorted, and apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`priority`: unless it is high, reading backs off while the source is busy. `read_rate`, in
    bytes a second, and `cpus` are the most that the source is asked for, and `memory`, in bytes,
    the most that this process takes; `cache` of it is for what is read at the cut. None is no
    limit, and what is usual."""

    connections: int = 4
    compress: bool = True
    priority: Priority = Priority.STANDARD
    read_rate: float | None = None
    cpus: float | None = None
    memory: int | None = None
    cache: int | None = None
    stall_s: float = STALL_S
    backoff: Backoff = field(default_factory=lambda: Backoff(base_s=0.2, cap_s=10, attempts=60))

    @property
    def courteous(self) -> bool:
        return self.priority is not Priority.HIGH


class Sender:
    """One session with a receiver. Its methods are one thread's; `control` is anybody's."""

    def __init__(
        self,
        peer: Peer,
        sources: Iterable[Source],
        *,
        control: Control | None = None,
        options: Options | None = None,
    ) -> None:
        """The sources stay the caller's to close. Raises BadConfiguration, PeerNotTrusted."""
        self._options = options = options or Options()
        self.control = control or Control()
        self._sources = {source.id: source for source in sources}
        self._tally = Tally({id_: source.name for id_, source in self._sources.items()})
        link = Link(peer, self.control, stall_s=options.stall_s)
        # Within one machine both ends share the CPUs: more connections only take turns.
        most = max(2, len(os.sched_getaffinity(0)))
        wanted = min(options.connections, most) if link.is_local else options.connections
        lanes, self.held = shared_out(options.memory, connections=wanted, cache=options.cache)
        self._shared = Shared(
            link=link,
            sources=self._sources,
            control=self.control,
            compression=Compression(
                lanes=lanes,
                # A link within one machine is memory: there is nothing to save.
                enabled=options.compress and not link.is_local,
                limit=lambda: self.control.limit,
            ),
            courtesy=Courtesy(
                lanes=lanes,
                enabled=options.courteous,
                hasten=lambda: self.control.orders.finish,
            ),
            limits=Limits(read_rate=options.read_rate, cpus=options.cpus, wait=self.control.wait),
            tally=self._tally,
            backoff=options.backoff,
        )
        self._lanes = [Lane(number, self._shared) for number in range(lanes)]
        self._threads = ThreadPoolExecutor(lanes, thread_name_prefix="lane")
        self._compare = False

    def __enter__(self) -> "Sender":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """What has arrived becomes durable, also after a stop or an error."""
        list(self._threads.map(lambda lane: lane.close(finish=True), self._lanes))
        self._threads.shutdown()

    def connect(self) -> Welcome:
        """Raises TargetTooSmall, ReceiverUnreachable, PeerNotTrusted, SessionSuperseded."""
        welcome = self._lanes[0].connect()
        offered = {disk.id: disk.size for disk in welcome.disks}
        for source in self._sources.values():
            if offered.get(source.id, -1) < source.size:
                raise TargetTooSmall(
                    f"the target of disk {source.name} has {offered.get(source.id, 0)} bytes; "
                    f"{source.size} are needed"
                )
        self._compare = not welcome.empty
        return welcome

    def first_pass(self, used: Ranges) -> None:
        """Send what is used, except what the receiver has noted as it is on the source now."""
        self._send(used, compare=self._compare)

    def send(self, ranges: Ranges) -> None:
        """Send these ranges as they are on the source now; they are durable when it returns."""
        self._send(ranges, compare=False)

    def discard(self, ranges: Ranges) -> None:
        """The target may forget these."""
        extents = [
            Discard(disk=disk, offset=item.offset, length=item.length)
            for disk, wanted in ranges.items()
            for item in wanted
        ]
        self._lanes[0].discard(extents)

    def verify(self, ranges: Ranges, *, may_skip: bool = False) -> dict[int, tuple[Range, ...]]:
        """Digest these at both ends; what differs, by disk. No entry: all of it is the same.

        And nothing else: what lies in a gap between them need not be on the target. Where it
        `may_skip`, it ends as soon as that is ordered, with what it found until then.
        """
        work = Work(plan(self._sources, ranges, gap=0))

        def is_over() -> bool:
            return may_skip and self.control.orders.skip

        found = self._all(lambda lane: lane.verify(work, is_over))
        return _by_disk(piece for pieces in found for piece in pieces)

    def be_courteous(self, wanted: bool) -> None:
        """Whether to spare the source, as the options say, or to be as fast as can be."""
        self._shared.courtesy.enable(wanted and self._options.courteous)
        self._shared.limits.enable(wanted)

    def progress(self) -> Progress:
        """From any thread."""
        return self._tally.progress({id_: s.unreadable for id_, s in self._sources.items()})

    def _send(self, ranges: Ranges, *, compare: bool) -> None:
        for disk, wanted in ranges.items():
            read = readable(wanted, self._sources[disk].size)
            self._tally.expect(disk, sum(item.length for item in read))
        work = Work(plan(self._sources, ranges))
        self._all(lambda lane: lane.send(work, compare=compare), on_error=work.end)

    def _all(
        self, task: Callable[[Lane], T], *, on_error: Callable[[], None] = lambda: None
    ) -> list[T]:
        """In all lanes at once. The first error ends the others' work, and is raised."""
        futures = [self._threads.submit(task, lane) for lane in self._lanes]
        wait(futures, return_when=FIRST_EXCEPTION)
        if any(future.done() and future.exception() for future in futures):
            on_error()
            wait(futures)
            raise _cause(futures)
        return [future.result() for future in futures]


def _cause(futures: Sequence[Future[T]]) -> BaseException:
    errors = [error for future in futures if (error := future.exception())]
    # That a connection was lost is often what the real cause brought about.
    return min(errors, key=lambda error: isinstance(error, ConnectionLost))


def _by_disk(pieces: Iterable[Piece]) -> dict[int, tuple[Range, ...]]:
    found: dict[int, list[Range]] = {}
    for piece in pieces:
        found.setdefault(piece.disk, []).append(Range(piece.offset, piece.length))
    return {disk: tuple(sorted(ranges)) for disk, ranges in found.items()}
