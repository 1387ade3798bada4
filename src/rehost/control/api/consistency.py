"""What came of comparing both ends of a task: reported by its agent, shown, exported."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from rehost.control import tasks
from rehost.control.api.sources import Done
from rehost.control.api.task_body import (
    BatchConsistencyReq,
    BatchGetConsistencyResultReq,
    ConsistencyResult,
    SetConsistencyResultRequestBody,
)
from rehost.control.api.tasks import RESOURCE
from rehost.control.operation import Access, Context, Reply, operation
from rehost.control.registration import visible as visible_source
from rehost.control.store import sources
from rehost.control.store import tasks as table
from rehost.control.task_record import Task
from rehost.errors import InvalidRequest, SourceNotFound
from rehost.model.language import Language
from rehost.task_errors import TaskNotFound

CSV = "text/csv"
COLUMNS = {
    Language.ENGLISH: ("task", "source", "name", "checked at (UTC)", "directory", "files",
                       "different", "missing on the target", "only on the target"),
    Language.CHINESE: ("任务ID", "源端ID", "源端名称", "校验时间(UTC)", "校验目录", "文件总数",
                       "差异文件数", "目的端缺少文件数", "目的端多余文件数"),
}  # fmt: skip
# What a spreadsheet takes for a formula when a cell begins with it.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowConsistencyResultResponse:
    """`result_list`: each directory's result as JSON, of the last check."""

    result_list: tuple[str, ...]
    task_id: str


@operation(
    "POST",
    "/v3/tasks/{task_id}/consistency-result",
    returns=Done,
    access=Access.AGENT,
    action="sms:server:updateConsistencyCheckResult",
    resource=RESOURCE,
    raises=(TaskNotFound,),
)
def update_consistency_result(
    ctx: Context, task_id: str, body: SetConsistencyResultRequestBody
) -> Done:
    """Report what came of comparing source and target."""
    result = msgspec.json.encode(body.consistency_result).decode()
    with ctx.services.database.write() as db:
        task = tasks.visible(db, ctx.caller, task_id)
        table.add_consistency_result(db, task_id, result)
        if task.current:
            sources.update(db, task.source_id, {"has_consistency_result": True})
    return Done()


@operation(
    "GET",
    "/v3/tasks/{task_id}/consistency-result",
    returns=ShowConsistencyResultResponse,
    action="sms:server:getConsistencyCheckResult",
    resource=RESOURCE,
    raises=(TaskNotFound,),
)
def show_consistency_result(ctx: Context, task_id: str) -> ShowConsistencyResultResponse:
    """Show what came of the last comparison of source and target."""
    with ctx.services.database.read() as db:
        tasks.visible(db, ctx.caller, task_id)
        rows = tuple(msgspec.json.encode(r).decode() for r, _ in _results(db, task_id))
    return ShowConsistencyResultResponse(result_list=rows, task_id=task_id)


@operation(
    "POST",
    "/v3/tasks/consistency-results/export",
    returns=bytes,
    action="rehost:task:getConsistency",
    resource=RESOURCE,
    raises=(TaskNotFound, SourceNotFound, InvalidRequest),
    gives=CSV,
)
def export_consistency_results(ctx: Context, body: BatchGetConsistencyResultReq) -> Reply:
    """Download the last comparisons of several tasks, as a table. X-Language says its heads'."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS[ctx.language])
    with ctx.services.database.read() as db:
        for number, named in enumerate(body.task_info):
            writer.writerows(_lines(db, _task(ctx, db, named, number)))
    attached = ("Content-Disposition", 'attachment; filename="consistency.csv"')
    # With the mark, spreadsheets read it as UTF-8.
    return Reply(body=out.getvalue().encode("utf-8-sig"), headers=(attached,))


def _task(ctx: Context, db: sa.Connection, named: BatchConsistencyReq, number: int) -> Task:
    if named.task_id:
        return tasks.visible(db, ctx.caller, named.task_id)
    if not named.source_id:
        raise InvalidRequest(f"body field task_info[{number}]: give task_id or source_id")
    visible_source(db, ctx.caller, named.source_id)
    task = table.current(db, named.source_id)
    if task is None:
        raise TaskNotFound(f"a task of source server {named.source_id!r}")
    return task


def _lines(db: sa.Connection, task: Task) -> Iterator[list[Any]]:
    [source] = sources.some(db, (task.source_id,))
    for result, at in _results(db, task.id):
        when = datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
        yield [
            task.id,
            task.source_id,
            _plain(source.name),
            when,
            _plain(result.dir_check),
            result.num_total_files,
            result.num_different_files,
            result.num_target_miss_files,
            result.num_target_more_files,
        ]


def _results(db: sa.Connection, task_id: str) -> Iterator[tuple[ConsistencyResult, int]]:
    if (row := table.consistency_result(db, task_id)) is not None:
        for result in msgspec.json.decode(row.result, type=tuple[ConsistencyResult, ...]):
            yield result, row.at


def _plain(text: str) -> str:
    """Names come from sources: a spreadsheet must not compute them."""
    return f"'{text}" if text.startswith(FORMULA) else text


OPERATIONS = (update_consistency_result, show_consistency_result, export_consistency_results)
