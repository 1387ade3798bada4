"""What the kernel offers for finding out which blocks change."""

from collections.abc import Mapping

from rehost.errors import FileMissing, HostError
from rehost.model.server import Tracking
from rehost.stages.discover.blocks import Blocks
from rehost.stages.discover.survey import Survey

# tracefs, and where it was before 4.1.
EVENTS = ("/sys/kernel/tracing/events/block", "/sys/kernel/debug/tracing/events/block")
NEEDED = {"block_rq_issue", "block_rq_complete"}


def find_tracking(
    survey: Survey, blocks: Blocks | None, options: Mapping[str, str] | None
) -> Tracking:
    fact = "facts.tracking"
    return Tracking(
        bpf=survey.attempt(f"{fact}.bpf", survey.host.can_bpf),
        block_tracepoints=survey.attempt(
            f"{fact}.block_tracepoints", lambda: _has_tracepoints(survey, options)
        ),
        blktrace=survey.attempt(f"{fact}.blktrace", lambda: _has_blktrace(survey, blocks, options)),
    )


def _has_tracepoints(survey: Survey, options: Mapping[str, str] | None) -> bool:
    """Raises HostError if tracefs is not mounted or closed, and no configuration tells."""
    reason: HostError = FileMissing(EVENTS[0])
    for folder in EVENTS:
        try:
            return set(survey.host.entries(folder)) >= NEEDED
        except HostError as e:
            reason = e
    if options is None:
        raise reason
    return options.get("CONFIG_EVENT_TRACING") == "y"


def _has_blktrace(survey: Survey, blocks: Blocks | None, options: Mapping[str, str] | None) -> bool:
    """The kernel shows a folder `trace` for each disk it can trace."""
    if options is not None:
        return options.get("CONFIG_BLK_DEV_IO_TRACE") == "y"
    disks = blocks.disks() if blocks else []
    if not disks:
        raise FileMissing("/sys/block/*/trace")
    return any("trace" in survey.entries(d.sys) for d in disks)
