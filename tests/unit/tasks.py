"""Tasks in a real database, and a runner whose targets and receivers are only noted."""

import threading
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from rehost.control import authority, judgement, tasks
from rehost.control.clock import now_ms
from rehost.control.errands import Done, Errands, T, Work
from rehost.control.receivers import Receivers
from rehost.control.runner import Runner
from rehost.control.store import migprojects, sources
from rehost.control.store import tasks as table
from rehost.control.task_record import Settings, Task, fresh_run
from rehost.model.server import OsType, Report
from rehost.model.task import TaskState, TaskType
from rehost.providers.base import Launch, TargetDisk, TargetServer, TargetSpec
from rehost.providers.null import NullProvider
from tests.compat.bodies import linux
from tests.unit.identities import House


class NotedProvider(NullProvider):
    """Makes no disks; counts what it was asked for."""

    def __init__(self) -> None:
        super().__init__(Path("/nowhere"))
        self.created: Counter[str] = Counter()
        self.deleted: Counter[str] = Counter()
        self.failure: Exception | None = None
        self._counting = threading.Lock()

    def create(self, spec: TargetSpec) -> TargetServer:
        if self.failure is not None:
            raise self.failure
        with self._counting:
            self.created[spec.task_id] += 1
        disks = tuple(
            TargetDisk(name=d.name, size=d.size, path=Path("/dev/zero")) for d in spec.disks
        )
        return TargetServer(id=spec.task_id, name=spec.name, disks=disks)

    def boot(self, server_id: str) -> Launch:
        return Launch(accelerated=False, said="nothing")

    def stop(self, server_id: str, *, hard: bool = False) -> None:
        pass

    def delete(self, server_id: str) -> None:
        with self._counting:
            self.deleted[server_id] += 1


class NotedReceivers(Receivers):
    """Receivers that listen at once."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, authority.load(folder), host="127.0.0.1")
        self.open: set[str] = set()
        self.opened: Counter[str] = Counter()

    @property
    def tasks(self) -> frozenset[str]:
        return frozenset(self.open)

    def port(self, task_id: str, run: int, disks: Any) -> int | None:
        if task_id not in self.open:
            self.open.add(task_id)
            self.opened[task_id] += 1
        return 4711

    def stop(self, task_id: str) -> bool:
        self.open.discard(task_id)
        return True

    def close(self) -> None:
        self.open.clear()


class AtOnce(Errands):
    """Errands that are done where they are asked for."""

    def turn(self, owner: str, name: str, work: Work[T]) -> Done[T] | None:
        return Done(work(lambda: False))


class NotedRunner(Runner):
    """A runner without threads. Its targets are no files, so nobody looks at their sizes."""

    def __init__(self, house: House, provider: NotedProvider) -> None:
        self.receivers = NotedReceivers(house.data)
        super().__init__(house.database, provider, self.receivers, data=house.data)
        self._errands.__class__ = AtOnce

    def _insist_on_disks(self, task: Task, source: Any) -> None:
        pass


def new_source(house: House, **changes: Any) -> str:
    """A stored source that can be migrated."""
    report = msgspec.convert(linux(**changes), Report)
    source_id = house.source(house.project(), str(uuid.uuid4()))
    with house.database.write() as db:
        row = sources.get(db, source_id)
        assert row is not None
        default = migprojects.ensure_default(db, row.project_id, region="local")
        state, cycle = judgement.standing(report, judgement.NO_CHOICES)
        values = {"choices": judgement.NO_CHOICES, "task": "null", "migproject": default}
        standing = {"state": state, "migration_cycle": cycle, "connected": True}
        sources.update(db, source_id, values | standing | judgement.judged(report, row.number))
    return source_id


def new_task(house: House, source_id: str, **settings: Any) -> Task:
    with house.database.write() as db:
        source = sources.get(db, source_id)
        assert source is not None
        task = Task(
            id=str(uuid.uuid4()),
            project_id=source.project_id,
            source_id=source_id,
            name="t",
            type=TaskType.MIGRATE_BLOCK,
            os_type=OsType.LINUX,
            state=TaskState.READY,
            enterprise_project_id="0",
            create_date=now_ms(),
            settings=Settings(
                region_name="r", region_id="r", project_name="p", project_id="p", **settings
            ),
            run=fresh_run(TaskType.MIGRATE_BLOCK, OsType.LINUX),
            passphrase="",
        )
        tasks.create(db, task, source)
    return task


def stored(house: House, task_id: str) -> Task:
    with house.database.read() as db:
        task = table.get(db, task_id)
    assert task is not None
    return task
