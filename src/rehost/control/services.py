"""What the operations of one process share."""

from dataclasses import dataclass

from rehost.control.auth import Authenticator
from rehost.control.config import ServeConfig
from rehost.control.heartbeat import Heartbeats
from rehost.control.store.database import Database
from rehost.control.store.hot import HotReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    config: ServeConfig
    database: Database
    hot: HotReader
    heartbeats: Heartbeats
    auth: Authenticator
    pin: str | None  # sha256 of the service's own certificate, if it made one
