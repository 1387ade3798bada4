"""A registered source: what was reported, and where it stands."""

from dataclasses import dataclass
from enum import StrEnum

from rehost.model.server import Report


class SourceState(StrEnum):
    UNAVAILABLE = "unavailable"
    WAITING = "waiting"
    INITIALIZE = "initialize"
    REPLICATE = "replicate"
    SYNCING = "syncing"
    STOPPING = "stopping"
    STOPPED = "stopped"
    SKIPPING = "skipping"
    DELETING = "deleting"
    CLEARING = "clearing"
    CLEARED = "cleared"
    CLEARFAILED = "clearfailed"
    PREMIGREADY = "premigready"
    PREMIGING = "premiging"
    PREMIGED = "premiged"
    PREMIGFAILED = "premigfailed"
    CLONING = "cloning"
    CUTOVERING = "cutovering"
    FINISHED = "finished"
    ERROR = "error"


class MigrationCycle(StrEnum):
    CHECKING = "checking"
    SETTING = "setting"
    REPLICATING = "replicating"
    SYNCING = "syncing"
    CUTOVERING = "cutovering"
    CUTOVERED = "cutovered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Times are ms since the epoch.

    `state_action_time` is when `state` last changed, `stage_action_time` when `migration_cycle`
    did, `last_visit_time` when `connected` did. `number` is small, unique and never reused; the
    ids of check rows are made of it.
    """

    id: str
    number: int
    project_id: str
    report: Report
    name: str
    state: SourceState
    migration_cycle: MigrationCycle
    connected: bool
    add_date: int
    state_action_time: int
    stage_action_time: int
    last_visit_time: int
    migproject: str = ""
    enterprise_project_id: str = "0"
    replicatesize: int = 0
    totalsize: int = 0
