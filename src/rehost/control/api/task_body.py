"""The bodies of requests about tasks."""

from dataclasses import dataclass, field
from typing import Annotated

from rehost.control.task_record import ConfigKey
from rehost.model.disk import Btrfs, DeviceUse, Partition, VolumeGroup
from rehost.model.limits import Count, Int, Long, Meta, Text
from rehost.model.server import Firmware, Network, OsType
from rehost.model.speed import SpeedRow, Threshold
from rehost.model.task import CloneServer, TaskType
from rehost.stages.task import Action

TaskName = Annotated[
    str, Meta(min_length=1, max_length=20, pattern=r"^[\u4e00-\u9fa5A-Za-z0-9_-]+(?![\s\S])")
]
Mbits = Annotated[int, Meta(ge=0, le=10000, description="Mbit/s; 0: no limit")]
Percent = Annotated[int, Meta(ge=0, le=100)]
Share = Annotated[float, Meta(ge=0, le=100)]
Figure = Annotated[float, Meta(ge=0)]
Ids = Annotated[str, Meta(max_length=65535)]
Id = Annotated[str, Meta(min_length=1, max_length=255)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceServerByTask:
    id: Id


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetDisks:
    """A disk of the target, by the name of the source's."""

    device_use: DeviceUse | None = None
    disk_id: Text | None = None
    name: Text | None = None
    physical_volumes: tuple[Partition, ...] | None = None
    size: Long | None = None
    used_size: Long | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetServerByTask:
    btrfs_list: tuple[Btrfs, ...] | None = None
    disks: tuple[TargetDisks, ...] | None = None
    name: Text = ""
    vm_id: Text = ""
    volume_groups: tuple[VolumeGroup, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PostTask:
    """What is left out is as the source's migration project says."""

    name: TaskName
    type: TaskType
    start_target_server: bool | None = None
    auto_start: bool = False
    os_type: OsType | None = None
    source_server: SourceServerByTask
    target_server: TargetServerByTask
    migration_ip: Text = ""
    region_name: Text
    region_id: Text
    project_name: Text
    project_id: Text
    priority: Annotated[int, Meta(ge=0, le=2)] = 1
    vm_template_id: Text = ""
    clonevm_template_id: Text = ""
    use_public_ip: bool | None = None
    use_ipv6: bool = False
    syncing: bool | None = None
    exist_server: bool | None = None
    start_network_check: bool | None = None
    speed_limit: Mbits | None = None
    over_speed_threshold: Threshold = 0
    is_need_consistency_check: bool = False
    need_migration_test: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTaskResponse:
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPhysicalVolumes:
    id: Int | None = None
    device_use: DeviceUse | None = None
    file_system: Text | None = None
    index: Int | None = None
    mount_point: Text | None = None
    name: Text | None = None
    size: Long | None = None
    used_size: Long | None = None
    uuid: Text | None = None
    relation_name: Text | None = None
    free_size: Long | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetDisk:
    """A disk of the target; `name` is the source's."""

    id: Int | None = None
    device_use: DeviceUse | None = None
    disk_id: Text | None = None
    name: Text | None = None
    physical_volumes: tuple[TargetPhysicalVolumes, ...] | None = None
    size: Long | None = None
    used_size: Long | None = None
    disk_index: Text | None = None
    os_disk: bool | None = None
    partition_style: Text | None = None
    relation_name: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetServer:
    """What a client knows of the target."""

    id: Text | None = None
    ip: Text | None = None
    name: Text | None = None
    hostname: Text | None = None
    os_type: OsType | None = None
    os_version: Text | None = None
    firmware: Firmware | None = None
    cpu_quantity: Count | None = None
    memory: Long | None = None
    btrfs_list: tuple[Btrfs, ...] | None = None
    networks: tuple[Network, ...] | None = None
    domain_id: Text | None = None
    has_rsync: bool | None = None
    paravirtualization: bool | None = None
    raw_devices: Text | None = None
    driver_files: bool | None = None
    system_services: bool | None = None
    account_rights: bool | None = None
    boot_loader: Text | None = None
    system_dir: Text | None = None
    volume_groups: tuple[VolumeGroup, ...] | None = None
    vm_id: Text | None = None
    flavor: Text | None = None
    disks: tuple[TargetDisk, ...] | None = None
    image_disk_id: Text | None = None
    snapshot_ids: Ids | None = None
    cutovered_snapshot_ids: Ids | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PutTaskReq:
    """What is left out stays as it was."""

    name: TaskName | None = None
    type: TaskType | None = None
    region_id: Text | None = None
    region_name: Text | None = None
    exist_server: bool | None = None
    migration_ip: Text | None = None
    use_ipv6: bool | None = None
    use_public_ip: bool | None = None
    speed_limit: Mbits | None = None
    project_name: Text | None = None
    project_id: Text | None = None
    enterprise_project: Text | None = None
    image_disk_id: Text | None = None
    vm_template_id: Text | None = None
    target_disk_ids: Ids | None = None
    snapshot_ids: Ids | None = None
    cutovered_snapshot_ids: Ids | None = None
    target_server: TargetServer | None = None
    clone_server: CloneServer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateTaskResponse:
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateTaskStatusReq:
    """`template_id`: of the server that the operation makes, the target or the copy of a test.
    `switch_hce`, to replace the system by another distribution, is refused.
    """

    operation: Action
    template_id: Text | None = None
    switch_hce: bool | None = None
    is_need_consistency_check: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateTaskSpeedReq:
    """Speeds and I/O are Mbit/s, memory MB, `remain_time` seconds, `agent_time` has HH:MM."""

    subtask_name: Text
    progress: Percent
    replicatesize: Long
    totalsize: Long
    process_trace: Annotated[str, Meta(max_length=65535)]
    migrate_speed: Figure | None = None
    compress_rate: Figure | None = None
    remain_time: Long | None = None
    total_cpu_usage: Share | None = None
    agent_cpu_usage: Share | None = None
    total_mem_usage: Figure | None = None
    agent_mem_usage: Figure | None = None
    total_disk_io: Figure | None = None
    agent_disk_io: Figure | None = None
    need_migration_test: bool | None = None
    agent_time: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedLimit:
    speed_limit: Annotated[tuple[SpeedRow, ...], Meta(max_length=100)]


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadLogRequestBody:
    log_bucket: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigBody:
    config_key: ConfigKey
    config_value: Annotated[str, Meta(max_length=65535)]
    config_status: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationRequestBody:
    configurations: Annotated[tuple[ConfigBody, ...], Meta(max_length=100)]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkCheckInfoRequestBody:
    """What the agent measured: ms, Mbit/s, percent."""

    domain_connectivity: bool | None = None
    destination_connectivity: bool | None = None
    network_delay: Figure
    network_jitter: Figure
    migration_speed: Figure
    loss_percentage: Share
    cpu_usage: Share
    mem_usage: Share
    evaluation_result: Annotated[str, Meta(max_length=1024)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsistencyResult:
    """What came of comparing a directory, or a disk, at both ends."""

    dir_check: Annotated[str, Meta(max_length=4096)]
    num_total_files: Long
    num_different_files: Long
    num_target_miss_files: Long
    num_target_more_files: Long


@dataclass(frozen=True, slots=True, kw_only=True)
class SetConsistencyResultRequestBody:
    consistency_result: Annotated[tuple[ConsistencyResult, ...], Meta(max_length=10000)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchConsistencyReq:
    """Names a task; without `task_id`, the current one of the source."""

    task_id: Text | None = None
    source_id: Text | None = None
    source_name: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchGetConsistencyResultReq:
    task_info: Annotated[tuple[BatchConsistencyReq, ...], Meta(min_length=1, max_length=200)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowPassphraseResponse:
    task_id: str
    passphrase: str = field(repr=False)
