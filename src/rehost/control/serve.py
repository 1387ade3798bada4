"""`rehost serve`: prepares the data folder, then serves with one or more processes."""

import dataclasses
import gc
import json
import logging
import os
import socket
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels
from litestar import Litestar

from rehost.contract.trust import is_loopback
from rehost.control import authority, judgement, keys, tls
from rehost.control.app import create_app
from rehost.control.auth import Authenticator
from rehost.control.config import ServeConfig, override
from rehost.control.heartbeat import Heartbeats
from rehost.control.receivers import Receivers
from rehost.control.runner import Runner
from rehost.control.services import AgentBundle, Services
from rehost.control.store.database import Database
from rehost.control.store.hot import open_hot
from rehost.control.targets import open_provider
from rehost.errors import BadConfiguration, CannotServe
from rehost.system.process import end_with_parent

if TYPE_CHECKING:
    from rehost.control.keystone import Keystone  # keystoneauth1 takes a while to import

log = logging.getLogger(__name__)

WRITERS = 8
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
# How the configuration reaches the worker processes, which start by importing this module.
HANDOVER = "REHOST_SERVE_CONFIG_JSON"


def serve(config: ServeConfig) -> None:
    """Serve until SIGTERM or SIGINT. Raises an Error if it cannot start."""
    os.umask(0o077)  # what it makes is for its user alone
    config = prepare(config)
    _address(config)
    print(f"Rehost serves at {url(config)} (API page: {url(config)}/docs)", flush=True)
    if (pin := _own_pin(config)) is not None:
        print(f"Its certificate is its own; clients trust it by --pin sha256:{pin}", flush=True)
    run(config, "rehost.control.serve:application")


def run(config: ServeConfig, factory: str) -> None:
    """Run worker processes, each with the application that `factory`, "module:name", makes."""
    os.environ[HANDOVER] = json.dumps(dataclasses.asdict(config), default=str)
    certificate = Path(config.tls_certificate) if config.tls_certificate else None
    key = Path(config.tls_key) if config.tls_key else None
    Granian(
        factory,
        factory=True,
        address=_address(config),
        port=config.port,
        interface=Interfaces.ASGI,
        workers=config.workers,
        respawn_failed_workers=True,
        log_level=LogLevels.warning,
        ssl_cert=certificate,
        ssl_key=key,
    ).serve()


def _address(config: ServeConfig) -> str:
    """The IP address of `host`. Raises CannotServe if nobody can listen there now.

    The processes of a service share its port. So would a second service, without a word, and get
    half of the first one's requests.
    """
    try:
        found = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(found[0], found[1]) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(found[4])
    except OSError as e:
        raise CannotServe(
            f"cannot listen on {config.host} port {config.port}: {e.strerror}; "
            "choose another with --host and --port"
        ) from e
    return str(found[4][0])


def url(config: ServeConfig) -> str:
    """Where the service is reached from outside."""
    if config.public_url:
        return config.public_url.rstrip("/")
    host = socket.gethostname() if config.host in EVERYWHERE else config.host
    host = f"[{host}]" if ":" in host else host
    return f"{'https' if config.tls_certificate else 'http'}://{host}:{config.port}"


def prepare(config: ServeConfig) -> ServeConfig:
    """Make the data folder, the keys and the schema ready; returns the settled configuration."""
    try:
        config.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        _insist_on_folder(config.data)
    except OSError as e:
        raise CannotServe(f"cannot use the data folder {config.data}: {e.strerror}") from e
    if bool(config.tls_certificate) != bool(config.tls_key):
        raise BadConfiguration("give both tls_certificate and tls_key, or neither")
    if not (config.tls_certificate or config.insecure_http or is_loopback(config.host)):
        certificate, key = tls.ensure_certificate(config.data, config.host)
        config = dataclasses.replace(config, tls_certificate=str(certificate), tls_key=str(key))
    keys.load(config.data)
    authority.load(config.data)
    open_provider(config)
    database = Database(config.database_url)
    database.upgrade()
    database.close()
    return config


def _insist_on_folder(folder: Path) -> None:
    """Raise OSError unless files can be made there: SQLite's own message would not say where."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"x")
        file.flush()
        os.fsync(file.fileno())


def application() -> Litestar:
    """The application of one worker process."""
    end_with_parent()  # or it held the port, with an older program, against the next service
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

    def close() -> None:
        services.writers.shutdown()
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
        agent_bundle=AgentBundle.pack(),
        writers=ThreadPoolExecutor(WRITERS, "writer"),
        authority=authority.load(config.data),
        pin=_own_pin(config),
    )


def _runner(services: Services) -> Runner:
    config = services.config
    # Behind a proxy on this machine the service is on loopback, but agents are elsewhere.
    host = "0.0.0.0" if is_loopback(config.host) else config.host  # noqa: S104
    receivers = Receivers(
        config.data / "receivers", services.authority, local=config.is_local, host=host
    )
    provider = open_provider(config)
    return Runner(services.database, provider, receivers, data=config.data)


def _keystone(config: ServeConfig, database: Database) -> "Keystone | None":
    if not config.keystone_url:
        return None
    from rehost.control.keystone import Keystone

    return Keystone(config.keystone_url, ca_file=config.keystone_ca, database=database)


def _own_pin(config: ServeConfig) -> str | None:
    own = config.data / "tls.crt"
    return tls.pin(own) if config.tls_certificate == str(own) else None


def _judge_again(services: Services) -> None:
    try:
        if done := judgement.judge_again(services.database):
            log.info("judged %d sources again by this version's checks", done)
    except Exception:
        # The outermost loop of this thread: serving goes on with the older findings.
        log.exception("cannot judge stored sources again")
