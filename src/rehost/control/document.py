"""The answers about a source, in parts that are made when something changes and only joined when
somebody asks. A part is the inside of a JSON object, or one JSON value.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from rehost.model.check import CheckRow
from rehost.model.language import Language
from rehost.model.server import OsType, Report
from rehost.model.target import RecommendedTarget
from rehost.model.task import CurrentTask

# The documented answer for a Windows source does not have these: they are Linux's, or newer.
LINUX_ONLY = frozenset(
    {
        "inode_size",
        "inode_nums",
        "size_per_cluster",
        "ipv6",
        "id",
        "start_type",
        "has_tc",
        "btrfs_list",
    }
)
# A recommended target's volumes are described by fewer fields than the source's.
NOT_OF_TARGETS = frozenset({"inode_nums", "size_per_cluster"})
# Left out, not null, as long as there is nothing to say.
OF_RUNNING_TASKS = frozenset(
    {
        "start_date",
        "migrate_speed",
        "subtask_info",
        "estimate_complete_time",
        "compress_rate",
        "remain_seconds",
        "log_bucket",
        "log_expire",
        "log_upload_time",
        "log_share_url",
    }
)


def summary(report: Report) -> str:
    """What a list and the full answer both have of the report."""
    return _inside(
        report,
        "ip",
        "os_type",
        "os_version",
        "oem_system",
        "cpu_quantity",
        "memory",
        "has_tc",
        "start_type",
    )


def inventory(report: Report) -> str:
    """What only the full answer has."""
    fields = ("hostname", "firmware", "disks", "volume_groups", "btrfs_list", "networks")
    text = _inside(report, *fields, "agent_version")
    if report.facts is None:
        return text
    facts = _plain(report.facts, drop=frozenset())
    del facts["identity"]  # a machine-id is confidential, says machine-id(5)
    return f'{text},"facts":{_encode(facts)}'


def checks(rows: Sequence[CheckRow]) -> str:
    return _encode([_plain(row, drop=frozenset({"remedy"})) for row in rows])


def target(recommended: RecommendedTarget, os_type: OsType) -> str:
    drop = LINUX_ONLY if os_type is OsType.WINDOWS else frozenset()
    value = _plain(recommended, drop=drop)
    for disk in value["disks"]:
        for volume in disk["physical_volumes"]:
            for name in NOT_OF_TARGETS:
                volume.pop(name, None)
    return _encode(value)


def task(current: CurrentTask | None) -> str:
    return "null" if current is None else _encode(_plain(current, drop=OF_RUNNING_TASKS))


def full(row: Any, language: Language) -> bytes:  # noqa: ANN401 - a row with the columns above
    """The answer of ShowServer."""
    return "".join(
        ("{", _columns(row), ",", row.summary, ",", row.inventory, ",", _judged(row, language), "}")
    ).encode()


def listed(row: sa.Row[Any], language: Language) -> str:
    """An entry of ListServers."""
    consistency = "true" if row.has_consistency_result else "false"
    return "".join(
        (
            "{",
            _columns(row),
            ",",
            row.summary,
            ",",
            _judged(row, language),
            ',"is_consistency_result_exist":',
            consistency,
            "}",
        )
    )


def _columns(row: Any) -> str:  # noqa: ANN401
    values = {
        "id": row.id,
        "name": row.name,
        "add_date": row.add_date,
        "state": row.state,
        "connected": bool(row.connected),
        "migration_cycle": row.migration_cycle,
        "state_action_time": row.state_action_time,
        "stage_action_time": row.stage_action_time,
        "last_visit_time": row.last_visit_time,
        "replicatesize": row.replicatesize,
        "totalsize": row.totalsize,
    }
    if row.enterprise_project_id:
        values["enterprise_project_id"] = row.enterprise_project_id
    return _encode(values)[1:-1]


def _judged(row: Any, language: Language) -> str:  # noqa: ANN401
    rows = row.checks_zh if language is Language.CHINESE else row.checks_en
    return "".join(
        ('"current_task":', row.task, ',"checks":', rows, ',"init_target_server":', row.target)
    )


def _inside(report: Report, *names: str) -> str:
    drop = LINUX_ONLY if report.os_type is OsType.WINDOWS else frozenset()
    value = _plain(report, drop=drop)
    return _encode({name: value[name] for name in names if name in value})[1:-1]


def _plain(value: Any, *, drop: frozenset[str]) -> Any:  # noqa: ANN401 - any of the model's values
    """As JSON has it; fields named in `drop` are left out where they are None."""
    if isinstance(value, (tuple, list)):
        return [_plain(item, drop=drop) for item in value]
    if not dataclasses.is_dataclass(value):
        return value
    fields = ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value))
    return {
        name: _plain(item, drop=drop)
        for name, item in fields
        if not (item is None and name in drop)
    }


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()
