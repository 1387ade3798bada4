"""What `rehost serve` can be told. One frozen value, read once at the start."""

import os
import socket
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rehost.contract.loopback import is_loopback
from rehost.errors import BadConfiguration

PREFIX = "REHOST_"
RANGES = {
    "port": range(1, 65536),
    "workers": range(1, 1025),
    "poll_interval": range(1, 86401),
    "body_limit": range(1024, 1 << 30),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeConfig:
    """Each field can be set in a TOML file, as REHOST_<NAME>, or by the option of its name."""

    host: str = "127.0.0.1"
    port: int = 8780
    data: Path = Path("data")  # database, keys, certificates
    database: str = ""  # SQLAlchemy URL; "" is SQLite in the data folder
    workers: int = 1
    public_url: str = ""  # how agents reach the service, if not by host and port
    trusted_proxies: str = ""  # 10.0.0.5,192.0.2.0/24: whose X-Forwarded-For is believed
    tls_certificate: str = ""  # PEM files; "" off loopback: one is made in the data folder
    tls_key: str = ""
    insecure_http: bool = False  # plain HTTP off loopback
    keystone_url: str = ""  # of an external Keystone, with /v3; its users' tokens count too
    keystone_ca: str = ""  # PEM file of who signed Keystone's certificate, if not public
    region: str = "local"
    poll_interval: int = 30  # seconds between an agent's polls
    audit_days: int = 365  # how long entries of the audit trail are kept; 0: for ever
    body_limit: int = 8 * 1024 * 1024  # bytes of a request body
    provider: str = "qemu"  # where targets are made: qemu, or null for disks alone
    qemu_acceleration: str = "auto"  # or kvm, tcg; auto tries KVM with a small guest
    qemu_chipset: str = "q35"  # or pc, for systems too old to know PCI Express
    qemu_bridge: str = ""  # of the host, which targets join; "": a network behind the host
    receiver_ports: str = ""  # where agents send to, 7000-7099; "": any free ports
    boot_probe: str = ""  # what makes a target up: tcp:PORT, http:PORT/PATH; "": console or SSH

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.data / 'rehost.db'}"

    @property
    def receiver_range(self) -> range:
        """The ports of receivers; range(1) is any. Raises BadConfiguration."""
        if not self.receiver_ports:
            return range(1)
        first, to, last = self.receiver_ports.partition("-")
        last = last if to else first
        if not (first.isdecimal() and last.isdecimal()):
            raise BadConfiguration(
                f"option receiver_ports: write 7000-7099, not {self.receiver_ports!r}"
            )
        ports = range(int(first), int(last) + 1)
        if not ports or ports[0] < 1 or ports[-1] > 65535:
            raise BadConfiguration(f"option receiver_ports: {self.receiver_ports} has no ports")
        return ports

    @property
    def receiver_host(self) -> str:
        """The address that receivers listen at: the service's, unless that is behind a proxy."""
        if is_loopback(self.host) and not self.is_local:
            return "::" if socket.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104
        return self.host

    @property
    def outside_host(self) -> str:
        """The host of public_url; without one, the address that the service listens at."""
        return urlsplit(self.public_url).hostname or self.host

    @property
    def is_local(self) -> bool:
        """Agents of this machine alone reach the service, over loopback."""
        return is_loopback(self.host) and is_loopback(self.outside_host)


def load(file: Path | None, environ: Mapping[str, str] = os.environ) -> ServeConfig:
    """Read the TOML file, then the variables, which win. Raises BadConfiguration."""
    values: dict[str, Any] = _from_file(file) if file else {}
    names = {f.name for f in fields(ServeConfig)}
    for unknown in sorted(values.keys() - names):
        raise BadConfiguration(f"{file}: there is no option {unknown!r}")
    for name in names:
        if (text := environ.get(PREFIX + name.upper())) is not None:
            values[name] = text
    return override(ServeConfig(), **values)


def override(config: ServeConfig, **values: Any) -> ServeConfig:  # noqa: ANN401
    """Set what is not None, converted to the option's type. Raises BadConfiguration."""
    defaults = ServeConfig()
    return replace(
        config,
        **{
            name: _convert(name, value, type(getattr(defaults, name)))
            for name, value in values.items()
            if value is not None
        },
    )


def _from_file(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise BadConfiguration(f"cannot read the configuration {file}: {e}") from e


def _convert(name: str, value: Any, kind: type) -> Any:  # noqa: ANN401
    if kind is bool:
        text = str(value).lower()
        if text not in ("1", "0", "true", "false"):
            raise BadConfiguration(f"option {name}: {value!r} is neither true nor false")
        return text in ("1", "true")
    try:
        converted = kind(value) if kind is not Path else Path(value)
    except (TypeError, ValueError) as e:
        raise BadConfiguration(f"option {name}: {value!r} is not a valid {kind.__name__}") from e
    if (known := RANGES.get(name)) and converted not in known:
        raise BadConfiguration(f"option {name}: {value} is not within {known[0]} and {known[-1]}")
    return converted
