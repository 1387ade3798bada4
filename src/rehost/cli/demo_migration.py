"""The demo's migration: one small disk of this machine, to a disk of the service's own provider."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.text import Text

from rehost.cli import output, report, units
from rehost.cli.document import Json, number, rows, text
from rehost.cli.watch import watch
from rehost.contract.client import Client, segment
from rehost.errors import ProgramFailed

LOOK_S = 0.2
CHUNK = 1 << 20


def migrate(out: Console, client: Client, source_id: str, disk: Path, data: Path) -> None:
    """Migrate `disk` alone, show how it goes, and the digests of both ends. Raises Error."""
    look = output.look(out)
    out.print("", report.heading(f"A migration: {disk.name}", out.width, look), sep="\n")
    out.print("This machine's own disks are left out; a start of the target, too.\n")
    source = client.call("GET", f"/v3/sources/{segment(source_id)}").body
    others = [d for d in rows(source, "disks") if text(d, "name") != str(disk)]
    leave_out = [{"id": text(d, "name"), "need_migration": False} for d in others]
    client.call("PUT", f"/v3/sources/{segment(source_id)}", body={"disks": leave_out})
    task_id = text(client.call("POST", "/v3/tasks", body=_task(source)).body, "id")
    out.file.flush()
    code = watch(client, task_id, interval_s=LOOK_S)
    task = client.call("GET", f"/v3/tasks/{segment(task_id)}").body
    if code:
        raise ProgramFailed("the migration", f"ended in state {text(task, 'state')}", "")
    _show_proof(out, client, task, disk, data)


def _task(source: Json) -> Json:
    return {
        "name": "demo",
        "type": "MIGRATE_BLOCK",
        "source_server": {"id": text(source, "id")},
        "target_server": {"name": "demo-target", "vm_id": ""},
        **dict.fromkeys(("region_name", "region_id", "project_name", "project_id"), "local"),
        "start_target_server": False,
        "auto_start": True,
    }


def _show_proof(out: Console, client: Client, task: Json, disk: Path, data: Path) -> None:
    [target] = data.rglob("disk-0.img")
    out.print()
    for what, file in (("source", disk), ("target", target)):
        out.print(Text(f"{what:8}").append(_digest(file, disk.stat().st_size), "bold"))
    out.print(f"SHA-256 of {units.size(disk.stat().st_size)} each", style="dim")
    for said in _compared(client, task):
        out.print(said, style="dim")


def _digest(file: Path, size: int) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as f:
        while size > 0 and (chunk := f.read(min(CHUNK, size))):
            digest.update(chunk)
            size -= len(chunk)
    return digest.hexdigest()


def _compared(client: Client, task: Json) -> Iterator[str]:
    path = f"/v3/tasks/{segment(text(task, 'id'))}/consistency-result"
    for result in map(json.loads, client.call("GET", path).body["result_list"]):
        blocks, wrong = number(result, "num_total_files"), number(result, "num_different_files")
        yield f"{blocks} MiB in use were compared at both ends by the agent: {wrong} differ"
