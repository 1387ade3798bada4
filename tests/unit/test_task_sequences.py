"""Whatever operators, agents and runners do, in whatever order, a task is in a state that makes
sense, and its source, its agent's commands and the counts agree with it."""

import os
import tempfile
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rehost.control import document, judgement, tasks, trials
from rehost.control.store import commands, sources
from rehost.control.store import tasks as table
from rehost.control.store.schema import commands as queue
from rehost.control.store.schema import task_counts
from rehost.control.store.schema import tasks as rows
from rehost.control.task_record import Task
from rehost.control.tasks import Progress
from rehost.errors import Error
from rehost.model.server import Report
from rehost.model.task import BUSY_STATES, TaskState
from rehost.stages import task as stage
from rehost.stages.task import Action, Command
from rehost.task_errors import TaskRefuses, TaskRunning
from tests.unit.identities import house
from tests.unit.tasks import NotedProvider, NotedRunner, new_source, new_task

COMES_TO = {
    TaskState.READY, TaskState.RUNNING, TaskState.SYNCING, TaskState.MIGRATE_SUCCESS,
    TaskState.SYNC_SUCCESS, TaskState.MIGRATE_FAIL, TaskState.SYNC_FAIL, TaskState.ABORTING,
    TaskState.ABORT,
}  # fmt: skip
# Those that lead somewhere more often: of the others, most are refused most of the time.
ACTIONS = [*Action, *[Action.START] * 8, *[Action.STOP] * 6, *[Action.SYNC] * 6]
PHASES = ("MIGRATE_LINUX_BLOCK", "SYNC_LINUX_BLOCK")


class Life(RuleBasedStateMachine):
    """One source, and its tasks one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.cleanup = ExitStack()
        folder = Path(self.cleanup.enter_context(tempfile.TemporaryDirectory()))
        self.home = self.cleanup.enter_context(house(folder))
        self.provider = NotedProvider()
        self.runner = NotedRunner(self.home, self.provider)
        self.source_id = new_source(self.home)
        self.migrated: set[str] = set()

    def teardown(self) -> None:
        self.cleanup.close()

    @property
    def task(self) -> Task | None:
        with self.home.database.read() as db:
            return table.current(db, self.source_id)

    @precondition(lambda self: self.task is None or self.task.state in stage.FINISHED)
    @rule(syncing=st.booleans())
    def create(self, syncing: bool) -> None:
        new_task(self.home, self.source_id, syncing=syncing, speed_limit=100,
                 over_speed_threshold=50)  # fmt: skip

    @precondition(lambda self: self.task is not None)
    @rule(action=st.sampled_from(ACTIONS))
    def ask(self, action: Action) -> None:
        before = self.task
        assert before is not None
        with suppress(TaskRefuses), self.home.database.write() as db:
            tasks.act(db, before, action)
            return
        assert self.task == before

    @rule()
    def poll(self) -> None:
        with self.home.database.write() as db:
            if (row := db.execute(sa.text(NEXT), {"source": self.source_id}).first()) is not None:
                assert commands.hand_out(db, row.id, again=False)
                assert not commands.hand_out(db, row.id, again=False)

    @rule(success=st.sampled_from([True, True, False]), newest=st.booleans())
    def answer(self, success: bool, newest: bool) -> None:
        """The agent has had some commands; it answers the oldest or the newest of them."""
        with self.home.database.write() as db:
            known = sorted(Command, reverse=newest)
            found = (row for name in known for row in commands.handed_out(db, self.source_id, name))
            command = next(found, None)
            if command is None:
                return
            commands.finish(db, command.id, result="success" if success else "fail", detail="{}")
            task = table.get(db, msgspec.json.decode(command.param)["task_id"])
            if task is not None:
                error = "" if success else '{"error_code":"X.1","error_msg":"x"}'
                tasks.answered(db, task, command.name, success=success, error=error)

    @precondition(lambda self: self.task is not None)
    @rule(
        phase=st.sampled_from(PHASES),
        progress=st.sampled_from([0, 50, 100, 100]),
        speed=st.sampled_from([None, None, 90.0, 300.0]),
    )
    def report(self, phase: str, progress: int, speed: float | None) -> None:
        said = Progress(
            phase=phase,
            progress=progress,
            replicatesize=progress,
            totalsize=100,
            process_trace="",
            migrate_speed=speed,
            agent_time="12:00",
            figures={},
        )
        with self.home.database.write() as db:
            task = table.current(db, self.source_id)
            assert task is not None
            tasks.report(db, task, said)

    @rule()
    def agent_starts_anew(self) -> None:
        with self.home.database.write() as db:
            commands.hand_out_again(db, self.source_id)

    @rule(connected=st.booleans())
    def agent_comes_and_goes(self, connected: bool) -> None:
        with self.home.database.write() as db:
            sources.update(db, self.source_id, {"connected": connected})

    @rule()
    def run(self) -> None:
        self.runner.turn()
        task = self.task
        if task is not None and task.state in stage.FINISHED:
            self.migrated.add(task.id)

    @rule()
    def target_fails(self) -> None:
        self.provider.failure = Broken()
        self.runner.turn()
        self.provider.failure = None

    @rule()
    def runner_dies(self) -> None:
        self.runner._leave()
        self.runner = NotedRunner(self.home, self.provider)

    @precondition(lambda self: self.task is not None)
    @rule()
    def delete(self) -> None:
        task = self.task
        assert task is not None
        with suppress(TaskRunning), self.home.database.write() as db:
            tasks.delete(db, task)
        assert (self.task is None) == (task.state not in BUSY_STATES)

    @invariant()
    def all_agree(self) -> None:
        with self.home.database.read() as db:
            source = sources.get(db, self.source_id)
            known = table.of_source(db, self.source_id)
            kept = Counter({r.state: r.tasks for r in db.execute(sa.select(task_counts))})
            query = sa.select(queue.c.name, queue.c.param).where(queue.c.finished_at.is_(None))
            unanswered = db.execute(query).all()
            numbers = db.execute(sa.select(sa.func.count()).select_from(rows)).scalar_one()
        assert source is not None
        assert +kept == Counter(task.state for task in known)
        assert numbers == len(known)
        waiting = Counter(row.name for row in unanswered)
        assert len(unanswered) == len(set(unanswered))
        assert all(waiting[name] <= 1 for name in Command if name is not Command.UPLOAD_LOG)
        task = next((t for t in known if t.current), None)
        self._source_agrees(source, task)
        if task is not None:
            self._task_makes_sense(task, waiting)

    def _source_agrees(self, source: Any, task: Task | None) -> None:
        shown = None if task is None else tasks.shown(task)
        assert source.task == document.task(shown)
        if task is None:
            return
        assert (source.replicatesize, source.totalsize) == (
            task.run.replicatesize,
            task.run.totalsize,
        )
        copying = task.copying.start_date is not None
        standing = stage.standing(
            task.state,
            copying=copying,
            cutting_over=tasks.is_cutting_over(task),
            trial=trials.standing(task),
        )
        report = msgspec.json.decode(source.report, type=Report)
        stands = standing or judgement.standing(report, source.choices)
        assert (source.state, source.migration_cycle) == stands

    def _task_makes_sense(self, task: Task, waiting: Counter[str]) -> None:
        assert task.state in COMES_TO
        assert all(0 <= phase.progress <= 100 for phase in task.run.phases)
        assert 0 <= task.progress <= 100
        if task.state in BUSY_STATES:
            assert task.active
        if task.state is TaskState.RUNNING:
            # The agent is told, or has done it: nothing waits for what nobody will do.
            assert waiting["START"] == (not task.copying.is_done)
        if task.state is TaskState.SYNCING:
            assert waiting["START"] + waiting["SYNC"] == (not task.keeping.is_done)
        if task.state is TaskState.ABORTING:
            assert waiting["STOP"] == 1
            assert not waiting["START"] + waiting["SYNC"] + waiting["SKIP"]
        if task.state in stage.FINISHED:
            assert task.run.migrated
            assert tasks.next_phase(task) is None
        if task.id in self.migrated:
            assert task.run.migrated
            assert self.provider.deleted[task.id] == 0


class Broken(Error):
    """For a test: a target that cannot be had."""

    code = "REHOST.0001"

    def __init__(self) -> None:
        super().__init__("broken")


NEXT = """
    SELECT id FROM commands WHERE source_id = :source AND COALESCE(handed_out_at, 0) = 0
    AND finished_at IS NULL ORDER BY id LIMIT 1
"""
TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=int(os.environ.get("REHOST_FUZZ_EXAMPLES", "12")),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
