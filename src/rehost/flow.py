"""The migration on one page: the phases of each kind of task, in order; the API calls them
sub-tasks. Who runs each, and which part of the whole it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from rehost.model.server import OsType
from rehost.model.task import TaskType


class Runner(StrEnum):
    """The process that does a phase."""

    CONTROL = "control"
    AGENT = "agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """`weight` is in percent of the whole; a phase that may repeat for ever weighs nothing."""

    name: str
    runner: Runner
    weight: int


def _control(name: str, weight: int) -> Phase:
    return Phase(name=name, runner=Runner.CONTROL, weight=weight)


def _agent(name: str, weight: int) -> Phase:
    return Phase(name=name, runner=Runner.AGENT, weight=weight)


# There is no file-level migration of Windows.
FLOWS: Mapping[tuple[TaskType, OsType], tuple[Phase, ...]] = {
    (TaskType.MIGRATE_BLOCK, OsType.LINUX): (
        _control("CREATE_CLOUD_SERVER", 4),
        _control("SSL_CONFIG", 1),
        _control("ATTACH_AGENT_IMAGE", 2),
        _control("FORMAT_DISK_LINUX_BLOCK", 1),
        _agent("MIGRATE_LINUX_BLOCK", 86),
        _agent("SYNC_LINUX_BLOCK", 0),
        _control("CONFIGURE_LINUX_BLOCK", 4),
        _control("DETTACH_AGENT_IMAGE", 2),
    ),
    (TaskType.MIGRATE_FILE, OsType.LINUX): (
        _control("CREATE_CLOUD_SERVER", 4),
        _control("SSL_CONFIG", 1),
        _control("ATTACH_AGENT_IMAGE", 2),
        _control("FORMAT_DISK_LINUX_FILE", 1),
        _agent("MIGRATE_LINUX_FILE", 86),
        _agent("SYNC_LINUX_FILE", 0),
        _control("CONFIGURE_LINUX_FILE", 4),
        _control("DETTACH_AGENT_IMAGE", 2),
    ),
    (TaskType.MIGRATE_BLOCK, OsType.WINDOWS): (
        _control("CREATE_CLOUD_SERVER", 4),
        _control("SSL_CONFIG", 1),
        _control("ATTACH_AGENT_IMAGE", 2),
        _control("FORMAT_DISK_WINDOWS", 1),
        _agent("MIGRATE_WINDOWS_BLOCK", 86),
        _agent("SYNC_WINDOWS_BLOCK", 0),
        _control("CONFIGURE_WINDOWS", 4),
        _control("DETTACH_AGENT_IMAGE", 2),
    ),
}


def progress(phases: tuple[Phase, ...], done: Mapping[str, int]) -> int:
    """Percent of the whole, rounded down: 100 only when every phase that weighs is at 100.

    `done` has the percent of the phases that have begun.
    """
    return sum(phase.weight * done.get(phase.name, 0) for phase in phases) // 100
