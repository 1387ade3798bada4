"""Sources coming, changing and going: each a transaction of its own."""

import uuid
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import msgspec
import sqlalchemy as sa

from rehost.control import judgement
from rehost.control.clock import now_ms
from rehost.control.operation import Caller
from rehost.control.services import Services
from rehost.control.store import commands, credentials, migprojects, sources, tasks
from rehost.errors import InvalidRequest, SourceBusy, SourceExists, SourceNotFound
from rehost.model.disk import Btrfs, Disk, VolumeGroup
from rehost.model.identity import contradictions
from rehost.model.server import Identity, Report
from rehost.model.target import DiskChoice
from rehost.model.task import BUSY_STATES
from rehost.stages import recommend
from rehost.stages import register as stage

RowOfSource = sa.Row[Any]


def register(
    services: Services, caller: Caller, report: Report, *, client_ip: str
) -> tuple[str, str | None]:
    """Store a report as a new source, or as news of a stored one; returns its id.

    Our own agent also gets a credential for its source, unless it came with one. If it knows no
    address of its machine, the one that it calls from is taken.
    """
    if report.facts is not None and not (report.ip or report.ipv6):
        report = replace(report, ip=client_ip)
    if not (report.ip or report.ipv6):
        raise InvalidRequest("body field ip: give ip or ipv6, an address of the source server")
    with services.database.write() as db:
        row = _stored(db, caller, report)
        if row is not None:
            source_id = _update(db, row, report)
        else:
            source_id = _insert(db, caller, report, region=services.config.region)
        if caller.enrolment is not None:
            credentials.redeem_enrolment(db, caller.enrolment, source_id)
        commands.hand_out_again(db, source_id)
        sources.save_heartbeats(db, {source_id: now_ms()})
        sources.connect(db, (source_id,), now=now_ms())
        token = None
        if report.facts is not None and caller.source_id is None:
            project_id = row.project_id if row is not None else _project(caller)
            token = credentials.issue_agent_token(db, source_id, project_id)
    return source_id, token


def update_disks(
    services: Services,
    caller: Caller,
    source_id: str,
    *,
    disks: tuple[Disk, ...] | None,
    volume_groups: tuple[VolumeGroup, ...] | None,
    btrfs_list: tuple[Btrfs, ...] | None,
) -> None:
    """Replace what is given of a source's disks, and judge it again."""
    with services.database.write() as db:
        row = visible(db, caller, source_id)
        given = {"disks": disks, "volume_groups": volume_groups, "btrfs_list": btrfs_list}
        news: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        _update(db, row, replace(_report(row), **news))


def choose(db: sa.Connection, row: RowOfSource, choices: tuple[DiskChoice, ...]) -> None:
    """Adjust the recommended target. Raise InvalidRequest, naming what cannot be followed."""
    report = _report(row)
    earlier = msgspec.json.decode(row.choices, type=tuple[DiskChoice, ...])
    merged = tuple(({c.id: c for c in earlier} | {c.id: c for c in choices}).values())
    if objections := tuple(recommend.objections(recommend.recommend(report), merged)):
        raise InvalidRequest("body field disks: " + "; ".join(objections))
    text = msgspec.json.encode(merged).decode()
    target = judgement.target(report, text)
    moved = judgement.moved(row, report, text)
    sources.update(db, row.id, {"choices": text, "target": target, **moved})


def delete(services: Services, caller: Caller, source_ids: Iterable[str]) -> None:
    """Delete all of `source_ids`, or none: SourceNotFound, or SourceBusy with a running task."""
    ids = tuple(dict.fromkeys(source_ids))
    with services.database.write() as db:
        for source_id in ids:
            row = visible(db, caller, source_id)
            task = msgspec.json.decode(row.task)
            if task is not None and task["state"] in BUSY_STATES:
                raise SourceBusy(source_id, task["id"])
            for each in tasks.of_source(db, source_id):
                tasks.delete(db, each)
        sources.delete(db, ids)


def visible(db: sa.Connection, caller: Caller, source_id: str) -> RowOfSource:
    """The stored source; SourceNotFound also for another project's, whose ids are not told."""
    row = sources.get(db, source_id)
    if row is None or row.project_id not in caller.projects:
        raise SourceNotFound(source_id)
    return row


def _stored(db: sa.Connection, caller: Caller, report: Report) -> RowOfSource | None:
    """The source that this report is of, if it is stored already."""
    if caller.source_id is not None:
        return _own(visible(db, caller, caller.source_id), report)
    if (key := _identity_key(report)) is not None:
        rows = {row.id: row for row in sources.same_key(db, key)}
        found = stage.find(report, {row.id: _identity(row) for row in rows.values()})
        if found is not None:
            return _of_this_project(rows[found], caller)
    # A code is for one machine, which it does not name: an id could be any other's.
    if report.id and caller.enrolment is None:
        row = sources.get(db, report.id)
        if row is not None and row.project_id in caller.projects:
            return _own(row, report)
    return None


def _own(row: RowOfSource, report: Report) -> RowOfSource:
    """Insist that a report sent under a source's id is of that machine, as far as is known."""
    if others := contradictions(_identity(row), stage.identity_of(report)):
        raise SourceExists(
            f"source server {row.id!r} is another machine, with other {' and '.join(others)}; "
            "register this one, perhaps a clone of it, with an enrolment code of its own",
            source_id=row.id,
        )
    return row


def _of_this_project(row: RowOfSource, caller: Caller) -> RowOfSource:
    if row.project_id not in caller.projects:
        raise SourceExists("this machine is registered already, by another project")
    return row


def _identity(row: RowOfSource) -> Identity:
    return stage.identity_of(_report(row))


def _report(row: RowOfSource) -> Report:
    return msgspec.json.decode(row.report, type=Report)


def _insert(db: sa.Connection, caller: Caller, report: Report, *, region: str) -> str:
    source_id, project_id = str(uuid.uuid4()), _project(caller)
    state, cycle = judgement.standing(report, judgement.NO_CHOICES)
    now = now_ms()
    number = sources.insert(
        db,
        {
            "id": source_id,
            "project_id": project_id,
            "identity_key": _identity_key(report),
            "name": report.name,
            "state": state,
            "migration_cycle": cycle,
            "connected": True,
            "add_date": now,
            "state_action_time": now,
            "stage_action_time": now,
            "last_visit_time": now,
            "migproject": migprojects.ensure_default(db, project_id, region=region),
            "enterprise_project_id": judgement.default_enterprise_project(report),
            "target_vm_id": "",
            "has_consistency_result": False,
            "replicatesize": 0,
            "totalsize": 0,
            "task": "null",
            "choices": judgement.NO_CHOICES,
            **judgement.NOT_JUDGED,
        },
    )
    # Only now: check rows have ids made of the number, which the database has just chosen.
    sources.update(db, source_id, judgement.judged(report, number))
    return source_id


def _update(db: sa.Connection, row: RowOfSource, report: Report) -> str:
    values = judgement.judged(report, row.number, row.choices) | judgement.moved(
        row, report, row.choices
    )
    values["identity_key"] = _identity_key(report)
    if report.name != _report(row).name:  # an operator's own name for it stays otherwise
        values["name"] = report.name
    sources.update(db, row.id, values)
    return str(row.id)


def _identity_key(report: Report) -> str | None:
    return stage.identity_key(stage.identity_of(report))


def _project(caller: Caller) -> str:
    if caller.project_id is None:
        raise InvalidRequest("this token is for a whole domain; use one that is for a project")
    return caller.project_id
