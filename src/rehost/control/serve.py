"""`rehost serve`: prepares the data folder, then serves with one or more processes."""

import dataclasses
import importlib
import json
import os
import signal
import socket
import tempfile
from pathlib import Path

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from rehost.contract.loopback import is_loopback
from rehost.control import authority, keys, proxies, tls
from rehost.control.config import ServeConfig
from rehost.control.provider import boot_probe, open_provider
from rehost.control.store.database import Database
from rehost.errors import BadConfiguration, CannotServe
from rehost.system.claims import claim

EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
# How the configuration reaches the worker processes, and who started them.
HANDOVER = "REHOST_SERVE_CONFIG_JSON"
PARENT = "REHOST_SERVE_PID"


def serve(config: ServeConfig) -> None:
    """Serve until SIGTERM or SIGINT. Raises an Error if it cannot start."""
    os.umask(0o077)  # what it makes is for its user alone
    config = prepare(config)
    address = _address(config)
    # Held by its processes, and let go as the last one ends, however.
    held = claim(f"serve/{address}/{config.port}")
    if held is None:
        raise CannotServe(
            f"another service starts, or serves, at {address} port {config.port}; "
            "choose another with --host and --port"
        )
    print(f"Rehost serves at {url(config)} (API page: {url(config)}/docs)", flush=True)
    if (pin := own_pin(config)) is not None:
        print(f"Its certificate is its own; clients trust it by --pin sha256:{pin}", flush=True)
    run(config, "rehost.control.worker:application")


def run(config: ServeConfig, factory: str) -> None:
    """Run worker processes, each with the application that `factory`, "module:name", makes."""
    os.environ[HANDOVER] = json.dumps(dataclasses.asdict(config), default=str)
    os.environ[PARENT] = str(os.getpid())
    # Once, and not in each of the processes, which are forked from this one.
    importlib.import_module(factory.partition(":")[0])
    os.register_at_fork(after_in_child=_heed_signals)
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


def _heed_signals() -> None:
    """Undo what a forked process inherits: handlers that note a signal for the parent, so that one
    which comes before the process has its own is lost, and the parent waits for ever."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


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
    boot_probe(config)
    _ = config.receiver_range
    proxies.networks(config.trusted_proxies)
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


def own_pin(config: ServeConfig) -> str | None:
    own = config.data / "tls.crt"
    return tls.pin(own) if config.tls_certificate == str(own) else None
