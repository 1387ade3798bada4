"""What the operations of one process share."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from rehost.control.agent_programs import AgentPrograms
from rehost.control.auth import Authenticator
from rehost.control.authority import Authority
from rehost.control.config import ServeConfig
from rehost.control.heartbeat import Heartbeats
from rehost.control.keys import Keys
from rehost.control.store.database import Database
from rehost.control.store.hot import HotReader


def _nobody() -> None:
    """Without a runner, nobody is woken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    config: ServeConfig
    database: Database
    hot: HotReader
    heartbeats: Heartbeats
    auth: Authenticator
    keys: Keys
    agents: AgentPrograms
    writers: Executor  # few: those that wait for the database's one writer leave threads to readers
    strangers: Executor  # for what anybody may ask: a crowd of those waits for itself alone
    authority: Authority
    pin: str | None  # sha256 of the service's own certificate, if it made one
    wake_runner: Callable[[], None] = _nobody  # after a change of a task
