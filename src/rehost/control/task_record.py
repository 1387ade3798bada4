"""What the service keeps of a task. Each part is a column of its own, as JSON."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

import msgspec

from rehost.contract.transfer import TransferDisk
from rehost.errors import Error
from rehost.flow import FLOWS, Phase, Runner, progress
from rehost.model.disk import Btrfs, VolumeGroup
from rehost.model.limits import LONGEST
from rehost.model.server import OsType
from rehost.model.speed import SpeedRow
from rehost.model.task import CloneServer, LogCollectStatus, TaskState, TaskType
from rehost.providers.base import TargetServer


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedDisk:
    """A disk of the target that an operator or an agent described; sizes are bytes."""

    name: str
    size: int | None = None
    used_size: int | None = None
    device_use: str | None = None
    disk_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What was asked for, and what clients keep with the task. Speeds are Mbit/s."""

    region_name: str
    region_id: str
    project_name: str
    project_id: str
    priority: int = 1
    start_target_server: bool = True
    migration_ip: str = ""
    vm_template_id: str = ""
    clonevm_template_id: str = ""
    use_public_ip: bool = True
    use_ipv6: bool = False
    syncing: bool = False
    exist_server: bool = False
    start_network_check: bool = False
    speed_limit: int = 0
    over_speed_threshold: float = 0
    is_need_consistency_check: bool = False
    need_migration_test: bool = False
    target_name: str = ""
    target_vm_id: str = ""
    target_ip: str = ""
    target_disks: tuple[WantedDisk, ...] = ()
    target_volume_groups: tuple[VolumeGroup, ...] = ()
    target_btrfs: tuple[Btrfs, ...] = ()
    target_disk_ids: str = ""
    image_disk_id: str = ""
    snapshot_ids: str = ""
    cutovered_snapshot_ids: str = ""
    clone_server: CloneServer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseState:
    """How far a phase is. It is done once it has an `end_date` (ms since the epoch)."""

    name: str
    progress: int = 0
    start_date: int | None = None
    end_date: int | None = None
    migrate_speed: float | None = None
    process_trace: str = ""

    @property
    def is_done(self) -> bool:
        return self.end_date is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A moment of the source that its target holds, as its agent told. Number 0 is the cut.

    `at` is when the source stood still and `told_at` when it was told, by the service's clock in ms
    since the epoch; `duration_ms` how long it stood still. `error_code` is "" unless it could not
    be had.
    """

    number: int
    at: int
    told_at: int
    duration_ms: float = 0
    frozen: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    failed_hooks: tuple[str, ...] = ()
    error_code: str = ""
    error_msg: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How the task goes. Figures are the agent's: sizes bytes, `remain_time` seconds.

    `number`: how often it was begun; the agent's certificates are of one run. `disks` are those
    that the receiver was started for. `synchronizes`: the agent's second phase, keeping in step, is
    part of this run. `migrated`: the target was complete once, so it is never deleted by the
    service. `rehearsed`: a migration drill came up. `points`: the moments that were held, by
    number; `points_wanted`: how many were asked for, apart from the cut; `points_taken`: up to
    which they are done with.
    """

    phases: tuple[PhaseState, ...]
    number: int = 0
    disks: tuple[TransferDisk, ...] = ()
    synchronizes: bool = False
    migrated: bool = False
    rehearsed: bool = False
    points: tuple[Point, ...] = ()
    points_wanted: int = 0
    points_taken: int = 0
    replicatesize: int = 0
    totalsize: int = 0
    migrate_speed: float | None = None
    compress_rate: float | None = None
    remain_time: int | None = None
    reported_at: int | None = None
    total_cpu_usage: float | None = None
    agent_cpu_usage: float | None = None
    total_mem_usage: float | None = None
    agent_mem_usage: float | None = None
    total_disk_io: float | None = None
    agent_disk_io: float | None = None

    @property
    def estimate(self) -> int | None:
        """When it will be complete, as of the agent's last report; ms since the epoch."""
        if self.remain_time is None or self.reported_at is None:
            return None
        return min(self.reported_at + self.remain_time * 1000, LONGEST)

    def phase(self, name: str) -> PhaseState:
        return next(phase for phase in self.phases if phase.name == name)

    def point(self, number: int) -> Point | None:
        return next((point for point in self.points if point.number == number), None)

    @property
    def is_held(self) -> bool:
        """The target holds a point that is not done with: nobody is to write to it."""
        return any(p.number > self.points_taken and not p.error_code for p in self.points)

    def with_phase(self, changed: PhaseState) -> "Run":
        return replace(
            self, phases=tuple(changed if p.name == changed.name else p for p in self.phases)
        )


class ConfigKey(StrEnum):
    MIGRATE_EXCLUDE_DIR = "MIGRATE_EXCLUDE_DIR"
    SYNC_EXCLUDE_DIR = "SYNC_EXCLUDE_DIR"
    ONLY_SYNC_DIR = "ONLY_SYNC_DIR"
    CONSISTENCY_DIR = "CONSISTENCY_DIR"
    CONSISTENCY_DIR_ILLEGAL = "CONSISTENCY_DIR_ILLEGAL"
    LINUX_BLOCK_COMPRESS_THREAD_NUM = "LINUX_BLOCK_COMPRESS_THREAD_NUM"
    MIGRATE_DST_IP = "MIGRATE_DST_IP"
    LINUX_BLOCK_CACHE_SIZE = "LINUX_BLOCK_CACHE_SIZE"
    LINUX_CPU_LIMIT = "LINUX_CPU_LIMIT"
    LINUX_MEM_LIMIT = "LINUX_MEM_LIMIT"
    LINUX_IO_LIMIT = "LINUX_IO_LIMIT"
    NUM_PROCESS_MIGRATE = "NUM_PROCESS_MIGRATE"
    NUM_PROCESS_SYNC = "NUM_PROCESS_SYNC"
    CONSISTENCY_RECHECK = "CONSISTENCY_RECHECK"
    CONSISTENCY_MODE = "CONSISTENCY_MODE"
    DYNAMIC_PORT = "DYNAMIC_PORT"
    INSTALL_PWD_AGENT = "INSTALL_PWD_AGENT"  # noqa: S105 - no password
    # Our own. What docs/tasks.md says of them is what may be set.
    ON_READ_ERROR = "ON_READ_ERROR"  # "stop", or "skip" what of the source is unreadable
    TARGET_MAC = "TARGET_MAC"  # "keep", or "new"
    TARGET_NETWORK = "TARGET_NETWORK"  # "keep", or "dhcp"
    TARGET_HOSTNAME = "TARGET_HOSTNAME"  # another one than the source's
    TARGET_IDENTITY = "TARGET_IDENTITY"  # "keep", or "new" SSH host keys and machine id
    BOOT_PROBE = "BOOT_PROBE"  # how the target is asked whether it is up, stages/launch


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What an agent is to do otherwise; the agent understands the value."""

    config_key: ConfigKey
    config_value: str
    config_status: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkCheck:
    """What the agent measured: ms, Mbit/s, percent."""

    domain_connectivity: bool | None = None
    destination_connectivity: bool | None = None
    network_delay: float
    network_jitter: float
    migration_speed: float
    loss_percentage: float
    cpu_usage: float
    mem_usage: float
    evaluation_result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """The agent's log: whether it was asked for, and what came. `size` is bytes, of our copy."""

    status: LogCollectStatus = LogCollectStatus.INIT
    bucket: str = ""
    uploaded_at: int | None = None
    size: int | None = None


class LaunchState(StrEnum):
    """Where a start of a server is. A test's comes to all of them, the target's own to three."""

    WANTED = "wanted"  # a test, for which the source is to hold a moment
    CLONING = "cloning"  # a copy is made of the target's disks
    STARTING = "starting"  # it is converted and started, until there is a verdict
    DONE = "done"  # there is one
    FAILED = "failed"  # there is none, and `error` says why
    CLEARING = "clearing"  # it is thrown away


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A start of the target, or of a copy of it that is only tried. Times are ms since the epoch.

    `is_drill`: it was asked for as a migration drill. `cpus` and `memory` (bytes) are of a copy's
    machine, None as the target's. `server` is what is started, once it exists; while `stands`, a
    layer lies over its disks and its machine may run. `point` is the number of the moment that the
    disks hold, `cut_at` when that was. `changed` says what was done to make it start, in sentences,
    once it `is_prepared`; `runs_on` what it was started on. `outcome`, `why`, `last_lines` and
    `failed_units` are the verdict; before there is one, `why` says what it waits for, if anything
    is amiss. `error` is JSON, as a task's.
    """

    state: LaunchState
    is_drill: bool = False
    cpus: int | None = None
    memory: int | None = None
    point: int = 0
    cut_at: int | None = None
    server: TargetServer | None = None
    stands: bool = True
    is_prepared: bool = False
    changed: tuple[str, ...] = ()
    runs_on: str = ""
    boot_at: int | None = None
    up_at: int | None = None
    outcome: str = ""
    why: str = ""
    last_lines: tuple[str, ...] = ()
    failed_units: tuple[str, ...] = ()
    has_screenshot: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task. Times are ms since the epoch.

    `current`: no newer task was made for its source. `error`: JSON, "" without one. `passphrase`
    is encrypted. `server`: the target, once it was created; it is on the machine `node`.
    `active`: the runner has something to do for it. `receiver_port`: where its target listens.
    `launch`: the start of the target; `trial`: that of a copy, to see whether it would start.
    """

    id: str
    project_id: str
    source_id: str
    name: str
    type: TaskType
    os_type: OsType
    state: TaskState
    enterprise_project_id: str
    create_date: int
    settings: Settings
    run: Run
    passphrase: str
    current: bool = True
    start_date: int | None = None
    finish_date: int | None = None
    error: str = ""
    speed_limits: tuple[SpeedRow, ...] = ()
    configurations: tuple[Configuration, ...] = ()
    network_check: NetworkCheck | None = None
    log: Log = Log()
    server: TargetServer | None = None
    node: str | None = None
    active: bool = False
    receiver_port: int | None = None
    launch: Launch | None = None
    trial: Launch | None = None

    @property
    def flow(self) -> tuple[Phase, ...]:
        return FLOWS[self.type, self.os_type]

    @property
    def progress(self) -> int:
        """Percent of the whole."""
        return progress(self.flow, {p.name: p.progress for p in self.run.phases})

    @property
    def is_being_made(self) -> bool:
        """Its target is not ready yet to be copied to."""
        first = self.flow.index(agent_phases(self.flow)[0])
        return not all(self.run.phase(phase.name).is_done for phase in self.flow[:first])

    @property
    def copying(self) -> PhaseState:
        """The agent's first phase: to copy all that is used."""
        return self.run.phase(agent_phases(self.flow)[0].name)

    @property
    def keeping(self) -> PhaseState:
        """The agent's second phase: to copy what changed, again and again."""
        return self.run.phase(agent_phases(self.flow)[1].name)


def failure(error: Error) -> str:
    """An error as a task keeps it."""
    return msgspec.json.encode({"error_code": error.code, "error_msg": str(error)}).decode()


def agent_phases(flow: Iterable[Phase]) -> tuple[Phase, ...]:
    return tuple(phase for phase in flow if phase.runner is Runner.AGENT)


def fresh_run(type_: TaskType, os_type: OsType) -> Run:
    phases = tuple(PhaseState(name=phase.name) for phase in FLOWS[type_, os_type])
    return Run(phases=phases)
