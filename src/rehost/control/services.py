"""What the operations of one process share."""

from dataclasses import dataclass

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
