"""What the operations of one process share."""

import hashlib
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from rehost.contract.bundle import agent_bundle
from rehost.control.auth import Authenticator
from rehost.control.authority import Authority
from rehost.control.config import ServeConfig
from rehost.control.heartbeat import Heartbeats
from rehost.control.keys import Keys
from rehost.control.store.database import Database
from rehost.control.store.hot import HotReader


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentBundle:
    """The agent's program as this service hands it out."""

    data: bytes
    digest: str  # sha256, hex

    @classmethod
    def pack(cls, wheels: Path) -> "AgentBundle":
        """`wheels` is a folder that may have packages for Pythons of other sources."""
        data = agent_bundle(sorted(wheels.glob("*.whl")))
        return cls(data=data, digest=hashlib.sha256(data).hexdigest())


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
    agent_bundle: AgentBundle
    writers: Executor  # few: those that wait for the database's one writer leave threads to readers
    authority: Authority
    pin: str | None  # sha256 of the service's own certificate, if it made one
    wake_runner: Callable[[], None] = _nobody  # after a change of a task
