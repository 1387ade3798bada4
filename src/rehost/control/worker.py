"""One of the processes that serve: all that answers requests and drives tasks in it.

Apart from serve.py, which gets everything ready, says what is wrong, and imports this before it
forks.
"""

import dataclasses
import gc
import json
import logging
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from litestar import Litestar

from rehost.control import authority, judgement, keys
from rehost.control.agent_programs import AgentPrograms
from rehost.control.app import create_app
from rehost.control.auth import Authenticator
from rehost.control.config import ServeConfig, override
from rehost.control.heartbeat import Heartbeats
from rehost.control.passwords import CROWD
from rehost.control.provider import boot_probe, open_provider
from rehost.control.receivers import Receivers
from rehost.control.runner import Runner
from rehost.control.serve import HANDOVER, PARENT, own_pin
from rehost.control.services import Services
from rehost.control.store.database import Database
from rehost.control.store.hot import open_hot
from rehost.providers.base import NeedsTending, Provider
from rehost.system.process import end_with_parent

if TYPE_CHECKING:
    from rehost.control.keystone import Keystone  # keystoneauth1 takes a while to import

log = logging.getLogger(__name__)

WRITERS = 8
STRANGERS = CROWD + 2  # beside those who are admitted, some to send the others away at once
TEND_S = 60.0


def application() -> Litestar:
    """The application of one worker process."""
    # Or it would hold the port, with an older program, against the next service.
    end_with_parent(int(os.environ[PARENT]))
    config = override(ServeConfig(), **json.loads(os.environ[HANDOVER]))
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    services = open_services(config)
    services.heartbeats.start()
    runner = _runner(services)
    services = dataclasses.replace(services, wake_runner=runner.wake)
    runner.start()
    gc.collect()
    gc.freeze()  # what is loaded now stays: no collection needs to look at it again
    threading.Thread(target=_judge_again, args=(services,), daemon=True).start()
    threading.Thread(target=_tend, args=(open_provider(config),), daemon=True).start()

    def close() -> None:
        services.writers.shutdown()
        services.strangers.shutdown()
        runner.close()
        services.heartbeats.close()
        services.hot.close()
        services.database.close()

    return create_app(services, on_shutdown=[close])


def open_services(config: ServeConfig) -> Services:
    """What the operations need, on a prepared data folder."""
    database = Database(config.database_url)
    secrets = keys.load(config.data)
    hot = open_hot(config.database_url)
    return Services(
        config=config,
        database=database,
        hot=hot,
        heartbeats=Heartbeats(database, poll_interval=config.poll_interval),
        auth=Authenticator(hot, secrets, keystone=_keystone(config, database)),
        keys=secrets,
        agents=AgentPrograms.pack(config.data),
        writers=ThreadPoolExecutor(WRITERS, "writer"),
        strangers=ThreadPoolExecutor(STRANGERS, "stranger"),
        authority=authority.load(config.data),
        pin=own_pin(config),
    )


def _runner(services: Services) -> Runner:
    config = services.config
    receivers = Receivers(
        config.data / "receivers",
        services.authority,
        host=config.receiver_host,
        ports=config.receiver_range,
    )
    provider = open_provider(config)
    return Runner(
        services.database, provider, receivers, data=config.data, probe=boot_probe(config)
    )


def _keystone(config: ServeConfig, database: Database) -> "Keystone | None":
    if not config.keystone_url:
        return None
    from rehost.control.keystone import Keystone

    return Keystone(config.keystone_url, ca_file=config.keystone_ca, database=database)


def _tend(provider: Provider) -> None:
    while isinstance(provider, NeedsTending):
        time.sleep(TEND_S)
        try:
            provider.tend()
        except Exception:
            # The outermost loop of this thread: what it could not do now, it may in a minute.
            log.exception("cannot look after what targets leave behind")


def _judge_again(services: Services) -> None:
    try:
        if done := judgement.judge_again(services.database):
            log.info("judged %d sources again by this version's checks", done)
    except Exception:
        # The outermost loop of this thread: serving goes on with the older findings.
        log.exception("cannot judge stored sources again")
