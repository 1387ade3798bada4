"""The task of a source, as the source shows it."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class TaskType(StrEnum):
    MIGRATE_FILE = "MIGRATE_FILE"
    MIGRATE_BLOCK = "MIGRATE_BLOCK"


class TaskState(StrEnum):
    READY = "READY"
    RUNNING = "RUNNING"
    SYNCING = "SYNCING"
    MIGRATE_SUCCESS = "MIGRATE_SUCCESS"
    SYNC_SUCCESS = "SYNC_SUCCESS"
    MIGRATE_FAIL = "MIGRATE_FAIL"
    SYNC_FAIL = "SYNC_FAIL"
    ABORTING = "ABORTING"
    ABORT = "ABORT"
    SKIPPING = "SKIPPING"
    DELETING = "DELETING"
    RESETING = "RESETING"


class Priority(IntEnum):
    """How important copying is beside the source's own work."""

    LOW = 0
    STANDARD = 1
    HIGH = 2


class LogCollectStatus(StrEnum):
    INIT = "INIT"
    UPLOADING = "UPLOADING"
    UPLOAD_FAIL = "UPLOAD_FAIL"
    UPLOADED = "UPLOADED"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRef:
    vm_id: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneServer:
    vm_id: str | None = None
    name: str | None = None
    clone_error: str | None = None
    clone_state: str | None = None
    error_msg: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentTask:
    """What a source shows of its task; what is not known yet is left out.

    `speed_limit` and `migrate_speed` are Mbit/s.
    """

    id: str
    name: str
    type: TaskType
    state: str
    start_date: int | None = None  # ms since the epoch
    speed_limit: int = 0
    migrate_speed: float | None = None
    start_target_server: bool = True
    vm_template_id: str = ""
    region_id: str = ""
    project_name: str = ""
    project_id: str = ""
    target_server: TargetRef = TargetRef()
    log_collect_status: LogCollectStatus = LogCollectStatus.INIT
    exist_server: bool = False
    use_public_ip: bool = True
    clone_server: CloneServer | None = None
    subtask_info: str | None = None  # JSON: {"progress", "sub_tasks": [{"name", "progress"}]}
    estimate_complete_time: int | None = None  # ms since the epoch
    compress_rate: float | None = None
    remain_seconds: int | None = None
    log_bucket: str | None = None
    log_expire: int | None = None
    log_upload_time: int | None = None
    log_share_url: str | None = None


# The agent of a task in one of these copies, or its target is made, or started.
MOVING_STATES = frozenset({TaskState.RUNNING, TaskState.SYNCING})
# A task in one of these does something to its target; it can only be deleted once it is stopped.
BUSY_STATES = frozenset(
    {
        TaskState.RUNNING,
        TaskState.SYNCING,
        TaskState.ABORTING,
        TaskState.SKIPPING,
        TaskState.DELETING,
        TaskState.RESETING,
    }
)
