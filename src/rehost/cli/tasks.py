"""rehost tasks: create, list, show, watch, start … cutover, skip, limit, logs, delete."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from rehost.cli import output, session
from rehost.cli.complete import complete_source, complete_task
from rehost.cli.document import Json, part, rows, text
from rehost.cli.find import every_task, list_tasks, source_id, task_id, template_id
from rehost.contract.client import Client, segment
from rehost.errors import InvalidRequest
from rehost.model.task import TaskState, TaskType

commands = typer.Typer(help="The migrations of source servers.", no_args_is_help=True)

Task = Annotated[
    str,
    typer.Argument(
        metavar="TASK",
        help="Id, the beginning of an id, or name; or the name of its source server.",
        autocompletion=complete_task,
        show_default=False,
    ),
]
Tasks = Annotated[
    list[str],
    typer.Argument(
        metavar="TASK...",
        help="Ids, beginnings of ids, or names; or the names of their source servers.",
        autocompletion=complete_task,
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the service's JSON.")]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Stay, and show how it goes.")]
Compare = Annotated[
    bool,
    typer.Option("--compare", help="Compare source and target once more before the last changes."),
]
Interval = Annotated[float, typer.Option(min=0.2, max=3600, help="Seconds between two looks.")]
LONGEST_NAME = 20
NOT_IN_NAMES = re.compile(r"[^\u4e00-\u9fa5A-Za-z0-9_-]+")
LIMIT = re.compile(r"(\d{1,2}:\d{2})-(\d{1,2}:\d{2})=(\d{1,5})", re.ASCII)
LOG_WAIT_S = 600


@commands.command()
def create(  # noqa: PLR0913 - what a task can be told
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="The source server: id, the beginning of an id, or name.",
            autocompletion=complete_source,
            show_default=False,
        ),
    ],
    *,
    name: Annotated[
        str | None, typer.Option(help="Up to 20 letters, digits, _ and -. [the source's]")
    ] = None,
    type_: Annotated[
        TaskType, typer.Option("--type", help="Whole disks, or files.")
    ] = TaskType.MIGRATE_BLOCK,
    target_name: Annotated[
        str | None, typer.Option(help="Name of the target server. [the source's]")
    ] = None,
    template: Annotated[
        str | None, typer.Option(help="Server template of the target: its id or name.")
    ] = None,
    syncing: Annotated[
        bool | None,
        typer.Option(
            "--syncing/--once", help="Keep the target in step after the first copy. [--once]"
        ),
    ] = None,
    start_target: Annotated[
        bool | None,
        typer.Option("--start-target/--leave-target-off", help="Start the target at the end."),
    ] = None,
    speed_limit: Annotated[
        int | None, typer.Option(min=0, max=10000, help="Mbit/s at any time of day; 0: none.")
    ] = None,
    priority: Annotated[
        int | None,
        typer.Option(min=0, max=2, help="Beside the source's own work: 0 low, 2 high. [1]"),
    ] = None,
    compare: Compare = False,
    start: Annotated[bool, typer.Option("--start", help="Start it at once.")] = False,
    watch: Watch = False,
) -> None:
    """Create a task that migrates a source server; prints its id.

    What is not said is as the source's migration project says.
    """
    client = session.connect()
    wanted = client.call("GET", f"/v3/sources/{segment(source_id(client, source))}").body
    said: dict[str, Any] = {
        "syncing": syncing,
        "start_target_server": start_target,
        "speed_limit": speed_limit,
        "vm_template_id": template_id(client, template) if template else None,
        "priority": priority,
        "is_need_consistency_check": compare or None,
        "auto_start": start or None,
    }
    body = {
        "name": name or _name(text(wanted, "name")),
        "type": type_,
        "os_type": text(wanted, "os_type") or None,
        "source_server": {"id": text(wanted, "id")},
        "target_server": {"name": target_name or text(wanted, "name"), "vm_id": ""},
        **_place(client),
        **{field: value for field, value in said.items() if value is not None},
    }
    made = text(client.call("POST", "/v3/tasks", body=body).body, "id")
    print(made, flush=True)
    if watch:
        _watch(client, made)
    elif not start:
        output.note(f"Start it with: rehost tasks start {made[:8]}")


@commands.command("list")
def list_(  # noqa: PLR0913 - the filters of ListTasks
    *,
    state: Annotated[TaskState | None, typer.Option(help="Only in this state.")] = None,
    name: Annotated[str | None, typer.Option(help="Part of the name.")] = None,
    id_: Annotated[str | None, typer.Option("--id", help="The whole id.")] = None,
    source: Annotated[
        str | None,
        typer.Option(help="Only of this source server.", autocompletion=complete_source),
    ] = None,
    enterprise_project_id: Annotated[
        str | None, typer.Option(help="Enterprise project id.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=0, max=200, help="At most this many; default: all.")
    ] = None,
    offset: Annotated[int, typer.Option(min=0, max=65535, help="Leave out the first.")] = 0,
    as_json: AsJson = False,
) -> None:
    """List tasks, newest first."""
    client = session.connect()
    filters: dict[str, Any] = {
        "state": state,
        "name": name,
        "id": id_,
        "source_server_id": source_id(client, source) if source else None,
        "enterprise_project_id": enterprise_project_id,
    }
    page = {**filters, "limit": limit, "offset": offset}
    if limit is None and not offset:
        every = list(every_task(client, filters))
        answer: Json = {"count": len(every), "tasks": every}
    else:
        answer = list_tasks(client, page)
    if as_json:
        output.show_json(answer)
        return
    found = rows(answer, "tasks")
    if not found:
        output.note("No task fits. To make one, run `rehost tasks create SOURCE`.")
        return
    from rehost.cli import tables

    out = output.console()
    length = tables.telling_length([text(t, "id") for t in found]) if out.is_terminal else None
    output.show_table(tables.tasks(found, output.look(out), id_length=length))


@commands.command()
def show(task: Task, as_json: AsJson = False) -> None:
    """Show a task: how far it is, each of its sub-tasks, and why it failed."""
    client = session.connect()
    shown = client.call("GET", f"/v3/tasks/{segment(task_id(client, task))}").body
    if as_json:
        output.show_json(shown)
        return
    from rehost.cli import progress

    source = text(part(shown, "source_server"), "id")
    out = output.console()
    its_source = client.call("GET", f"/v3/sources/{segment(source)}").body
    output.show(progress.draw(shown, its_source, out.width, output.look(out)))


@commands.command()
def watch(
    task: Task,
    interval: Interval = 1.0,
    until: Annotated[
        list[TaskState] | None,
        typer.Option(help="End at this state too, SYNCING for example; repeat it."),
    ] = None,
) -> None:
    """Show how a task goes until it has ended; the exit code is 1 if it failed or was stopped."""
    client = session.connect()
    _watch(client, task_id(client, task), interval, tuple(until or ()))


@commands.command()
def start(tasks: Tasks, watch: Watch = False) -> None:
    """Start tasks: prepare the target, then copy."""
    act(tasks, "start", "Started", watch=watch)


@commands.command()
def stop(tasks: Tasks, watch: Watch = False) -> None:
    """Stop tasks; what is copied is kept, and `start` goes on from there."""
    act(tasks, "stop", "Told to stop", watch=watch)


@commands.command()
def restart(tasks: Tasks, watch: Watch = False) -> None:
    """Start tasks again that failed or were stopped."""
    act(tasks, "restart", "Started again", watch=watch)


@commands.command()
def sync(tasks: Tasks, compare: Compare = False, watch: Watch = False) -> None:
    """Copy once more what has changed since the migration."""
    act(tasks, "sync", "Synchronizing", watch=watch, **_comparing(compare))


@commands.command()
def cutover(tasks: Tasks, compare: Compare = False, watch: Watch = False) -> None:
    """Bring targets up instead of their sources: the last changes, then the targets are started."""
    act(tasks, "cutover", "Cutting over", watch=watch, **_comparing(compare))


@commands.command()
def skip(tasks: Tasks) -> None:
    """End the comparison of source and target that is under way, or leave the next one out."""
    act(tasks, "skip", "Told not to compare")


@commands.command()
def limit(
    task: Task,
    rows_: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FROM-TO=MBITS]...",
            help="Such as 08:00-18:00=50, by the source's clock; 0 is no limit.",
            show_default=False,
        ),
    ] = None,
    none: Annotated[bool, typer.Option("--none", help="Take all limits away.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show how fast a task may go by time of day, or say it; it counts within seconds."""
    client = session.connect()
    path = f"/v3/tasks/{segment(task_id(client, task))}/speed-limit"
    if rows_ or none:
        limits = [_limit(row) for row in rows_ or ()]
        client.call("POST", path, body={"speed_limit": limits})
        limited = "limit" if len(limits) == 1 else "limits"
        output.note(f"{task} has {len(limits) or 'no'} speed {limited} now.")
        return
    found = client.call("GET", path).body
    if as_json:
        output.show_json(found)
        return
    if not rows(found, "speed_limit"):
        output.note(f"{task} has no speed limits.")
        return
    from rehost.cli import tables

    output.show_table(tables.speed_limits(rows(found, "speed_limit")))


@commands.command()
def logs(
    task: Task,
    to: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write. [TASK.log]")
    ] = None,
    wait: Annotated[
        int, typer.Option(min=1, max=86400, help="Seconds to wait for the agent.")
    ] = LOG_WAIT_S,
) -> None:
    """Have the agent hand in its log of a task, and fetch it."""
    from rehost.cli import task_logs

    client = session.connect()
    wanted = task_id(client, task)
    file = to or Path(f"{wanted}.log")
    file.write_bytes(task_logs.collect(client, wanted, wait_s=wait))
    print(file)


@commands.command()
def delete(
    tasks: Tasks, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False
) -> None:
    """Delete tasks that do not run, and the targets of those that never succeeded."""
    client = session.connect()
    ids = list(dict.fromkeys(task_id(client, wanted) for wanted in tasks))
    if not yes:
        what = ", ".join(tasks)
        typer.confirm(f"Delete {what}, and its target if it is not complete?", abort=True, err=True)
    if len(ids) == 1:
        client.call("DELETE", f"/v3/tasks/{segment(ids[0])}")
    else:
        client.call("POST", "/v3/tasks/delete", body={"ids": ids})
    output.note(f"Deleted {', '.join(ids)}.")


def act(
    wanted: list[str],
    operation: str,
    said: str,
    *,
    watch: bool = False,
    template: str | None = None,
    **more: Any,  # noqa: ANN401 - JSON
) -> None:
    """Have the service do something with tasks, and say so. `more` is of the request's body."""
    if watch and len(wanted) > 1:
        raise InvalidRequest("--watch shows one task; name one")
    client = session.connect()
    ids = list(dict.fromkeys(task_id(client, task) for task in wanted))
    body = {"operation": operation, **more}
    if template:
        body["template_id"] = template_id(client, template)
    for one in ids:
        client.call("POST", f"/v3/tasks/{segment(one)}/action", body=body)
        output.note(f"{said}: {one}.")
    if watch:
        _watch(client, ids[0])


def _comparing(wanted: bool) -> Json:
    """What was said when the task was made stays, unless it is said again."""
    return {"is_need_consistency_check": True} if wanted else {}


def _watch(
    client: Client, wanted: str, interval_s: float = 1.0, until: tuple[str, ...] = ()
) -> None:
    from rehost.cli.watch import watch

    try:
        code = watch(client, wanted, interval_s=interval_s, until=until)
    except KeyboardInterrupt:
        output.note("The task itself goes on; `rehost tasks stop` stops it.")
        raise
    if code:
        raise typer.Exit(code)


def _name(source: str) -> str:
    """A name that the API takes for a task, like its source's."""
    return NOT_IN_NAMES.sub("-", source)[:LONGEST_NAME].strip("-") or "migration"


def _place(client: Client) -> Json:
    """Region and project as the API wants them named in a task."""
    regions = rows(client.call("GET", "/v3/config").body, "regions")
    projects = rows(client.call("GET", "/v3/auth/projects").body, "projects")
    region = regions[0] if regions else {}
    project = projects[0] if len(projects) == 1 else {}
    return {
        "region_id": text(region, "id"),
        "region_name": text(region, "name"),
        "project_id": text(project, "id"),
        "project_name": text(project, "name"),
    }


def _limit(said: str) -> Json:
    if not (found := LIMIT.fullmatch(said)):
        raise InvalidRequest(f"{said!r} is no limit; say it like 08:00-18:00=50")
    return {"start": found[1], "end": found[2], "speed": int(found[3])}
