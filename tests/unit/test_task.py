import itertools
import json
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rehost.model.source import SourceState
from rehost.model.task import BUSY_STATES, TaskState
from rehost.stages import task
from rehost.stages.task import Action, Command, News, Step
from rehost.task_errors import TaskRefuses, TaskRunning

CONTRACT = json.loads(
    (Path(__file__).parents[1] / "data" / "sms-v3" / "contract.json").read_text()
)["models"]
RUNNING, SYNCING, ABORTING = TaskState.RUNNING, TaskState.SYNCING, TaskState.ABORTING

# Written down a second time, on purpose: who changes the table says so here, too.
POSSIBLE = {
    TaskState.READY: {"start": RUNNING},
    TaskState.RUNNING: {"stop": ABORTING, "error_for_overspeed": ABORTING},
    TaskState.SYNCING: {"stop": ABORTING, "error_for_overspeed": ABORTING, "cutover": SYNCING},
    TaskState.MIGRATE_SUCCESS: {"sync": SYNCING},
    TaskState.SYNC_SUCCESS: {"sync": SYNCING, "sync_failed_rollback": TaskState.ABORT},
    TaskState.MIGRATE_FAIL: {"start": RUNNING, "restart": RUNNING},
    TaskState.SYNC_FAIL: {"sync": SYNCING, "sync_failed_rollback": TaskState.ABORT},
    TaskState.ABORT: {"start": RUNNING, "restart": RUNNING},
}
HEARD = {
    TaskState.RUNNING: {
        "START failed": TaskState.MIGRATE_FAIL,
        "target failed": TaskState.MIGRATE_FAIL,
        "copied, and kept in step": SYNCING,
        "copied, to be kept in step": SYNCING,
        "migrated": TaskState.MIGRATE_SUCCESS,
    },
    TaskState.SYNCING: {
        "START failed": TaskState.SYNC_FAIL,
        "SYNC failed": TaskState.SYNC_FAIL,
        "target failed": TaskState.SYNC_FAIL,
        "synchronized": TaskState.SYNC_SUCCESS,
    },
    TaskState.ABORTING: {
        "STOP done": TaskState.ABORT,
        "STOP failed": TaskState.MIGRATE_FAIL,
        "agent gone": TaskState.ABORT,
    },
}
STANDS = {
    TaskState.RUNNING: "initialize replicating",
    TaskState.SYNCING: "syncing syncing",
    TaskState.MIGRATE_SUCCESS: "finished cutovered",
    TaskState.SYNC_SUCCESS: "finished cutovered",
    TaskState.MIGRATE_FAIL: "error replicating",
    TaskState.SYNC_FAIL: "error syncing",
    TaskState.ABORTING: "stopping replicating",
    TaskState.ABORT: "stopped replicating",
}
# What the agent hears of news: what fails here must end there, too.
TOLD_BY_NEWS = {
    News.COPIED: Command.SYNC,
    News.TARGET_FAILED: Command.STOP,
}
SKIPPABLE = (RUNNING, SYNCING)
CHECKABLE = (TaskState.READY, TaskState.ABORT, TaskState.MIGRATE_FAIL)
TRIABLE = (SYNCING, TaskState.MIGRATE_SUCCESS, TaskState.SYNC_SUCCESS)
TRIES = ("test", "clone_test", "migration_test")
SILENT = (*TRIES, "clear")  # the agent is not told of
TOLD_AS_IT_IS = {Action.COLLECT_LOG: Command.UPLOAD_LOG, Action.SKIP: Command.SKIP}
TOLD = {RUNNING: Command.START, SYNCING: Command.SYNC, ABORTING: Command.STOP}


def possible(state: TaskState) -> dict[str, TaskState]:
    logs = {} if state is TaskState.DELETING else {"collect_log": state}
    checks = {"network_check": state} if state in CHECKABLE else {}
    trials = dict.fromkeys(TRIES, state) if state in TRIABLE else {}
    skips = {"skip": state} if state in SKIPPABLE else {}
    clears = {} if state in (TaskState.READY, TaskState.DELETING) else {"clear": state}
    return POSSIBLE.get(state, {}) | logs | checks | trials | skips | clears


@pytest.mark.parametrize(("state", "action"), list(itertools.product(TaskState, Action)))
def test_every_action_is_a_step_or_a_refusal(state, action):
    if action in possible(state):
        step = task.act(state, action)
        told = TOLD_AS_IT_IS.get(action, TOLD.get(step.state))
        told = None if action in SILENT else told
        assert step == Step(possible(state)[action], told)
        return
    with pytest.raises(TaskRefuses) as refusal:
        task.act(state, action)
    assert refusal.value.status == 409
    for word in (state, action, *possible(state)):
        assert word in str(refusal.value)


@pytest.mark.parametrize(("state", "news"), list(itertools.product(TaskState, News)))
def test_news_are_heard_where_they_fit_and_change_nothing_elsewhere(state, news):
    if news not in HEARD.get(state, {}):
        assert task.hear(state, news) == Step(state)
        return
    assert task.hear(state, news) == Step(HEARD[state][news], TOLD_BY_NEWS.get(news))


def test_the_source_follows():
    assert {state: " ".join(standing) for state, standing in task.STANDINGS.items()} == STANDS


def stands(state: TaskState, *, copying=False, cutting_over=False, trial=None) -> str:
    standing = task.standing(state, copying=copying, cutting_over=cutting_over, trial=trial)
    return "" if standing is None else " ".join(standing)


@pytest.mark.parametrize("state", TaskState)
def test_a_source_says_what_is_done_with_it(state):
    usual = STANDS.get(state, "")
    cutting = "cutovering cutovering" if state in (RUNNING, SYNCING) else usual
    assert stands(state) == usual
    assert stands(state, copying=True) == ("replicate replicating" if state is RUNNING else usual)
    cloning = SourceState.CLONING
    assert stands(state, trial=cloning) == ("cloning syncing" if state is SYNCING else usual)
    assert stands(state, copying=True, cutting_over=True, trial=cloning) == cutting


def test_what_is_being_stopped_stops_though_it_never_started():
    assert task.hear(ABORTING, News.START_FAILED) == Step(ABORTING)
    assert task.hear(ABORTING, News.STOP_DONE) == Step(TaskState.ABORT)


@pytest.mark.parametrize("state", TaskState)
def test_only_what_is_at_rest_is_deleted(state):
    if state in BUSY_STATES:
        with pytest.raises(TaskRunning, match=state):
            task.require_deletable("t", state)
    else:
        task.require_deletable("t", state)


def test_states_and_actions_are_those_of_the_api():
    assert set(TaskState) == set(CONTRACT["TasksResponseBody"]["fields"]["state"]["enum"])
    operation = CONTRACT["UpdateTaskStatusReq"]["fields"]["operation"]
    assert set(Action) == {*operation["enum"], *operation["constraints"]["older_enum"]}


class AnySequence(RuleBasedStateMachine):
    """Whatever is asked and heard, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.state = TaskState.READY

    @rule(action=st.sampled_from(Action))
    def ask(self, action: Action) -> None:
        before = self.state
        try:
            self.state = task.act(before, action).state
        except TaskRefuses:
            assert (before, action) not in task.ACTIONS

    @rule(news=st.sampled_from(News))
    def hear(self, news: News) -> None:
        self.state = task.hear(self.state, news).state

    @invariant()
    def the_source_stands_somewhere_and_something_can_be_done(self) -> None:
        assert self.state is TaskState.READY or self.state in task.STANDINGS
        ways = {*task.ACTIONS, *task.REPORTS}
        assert any(at is self.state and name is not Action.COLLECT_LOG for at, name in ways)


TestAnySequence = AnySequence.TestCase
