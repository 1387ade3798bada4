"""The answers about source servers, for the OpenAPI document; document.py writes them.

Null where a fact is not known; optional fields are left out where a source cannot have them.
"""

from dataclasses import dataclass
from typing import Annotated

from rehost.model.check import Result
from rehost.model.disk import Btrfs, DeviceUse, Disk, Partition, VolumeGroup
from rehost.model.limits import Meta
from rehost.model.server import Facts, Firmware, Network, OsType
from rehost.model.source import MigrationCycle, SourceState
from rehost.model.task import CurrentTask

Millis = Annotated[int, Meta(ge=0, description="ms since the epoch")]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentCheck:
    """`error_or_warn` says what is wrong, `remedy` what to do; both in the reader's language."""

    id: int
    name: str
    result: Result
    params: tuple[str, ...]
    error_code: str | None
    error_or_warn: str | None
    error_params: str
    remedy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskInTargetServer:
    name: str
    size: int
    device_use: DeviceUse
    used_size: int | None
    physical_volumes: tuple[Partition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InitTargetServer:
    disks: tuple[DiskInTargetServer, ...]
    volume_groups: tuple[VolumeGroup, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """What every answer about a source has."""

    id: str
    name: str
    ip: str | None
    os_type: OsType
    os_version: str
    oem_system: bool | None
    cpu_quantity: int | None
    memory: int | None
    state: SourceState
    connected: bool
    migration_cycle: MigrationCycle
    add_date: Millis
    state_action_time: Millis
    stage_action_time: Millis
    last_visit_time: Millis
    replicatesize: int
    totalsize: int
    checks: tuple[EnvironmentCheck, ...]
    init_target_server: InitTargetServer
    enterprise_project_id: str | None = None
    has_tc: bool | None = None
    start_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceServer(_Source):
    """What a list shows of a source."""

    current_task: CurrentTask | None
    is_consistency_result_exist: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowServerResponse(_Source):
    """A source in full."""

    current_task: CurrentTask | None

    hostname: str | None
    firmware: Firmware | None
    disks: tuple[Disk, ...] | None
    volume_groups: tuple[VolumeGroup, ...] | None
    networks: tuple[Network, ...]
    agent_version: str
    btrfs_list: tuple[Btrfs, ...] | None = None
    facts: Annotated[
        Facts | None,
        Meta(description="What our own agent reports beyond the public API, identity apart."),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListServersResponse:
    count: int
    source_servers: tuple[SourceServer, ...]
