"""Who the operator is to which service: from variables, else from the log-in that was kept.

REHOST_SERVICE, REHOST_TOKEN, or REHOST_AK with REHOST_SK (and REHOST_PROJECT_ID); REHOST_CA_FILE.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path

from rehost.contract.client import Client
from rehost.contract.connection import Timeouts
from rehost.contract.credentials import Credentials, KeyPair, Token
from rehost.contract.trust import Trust
from rehost.errors import BadConfiguration, NotAuthenticated

LOCAL_SERVICE = "http://127.0.0.1:8780"
PATIENT = Timeouts()
LOG_IN = "log in with: rehost login --service URL --user NAME"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A log-in. `expires_at` is the service's time, ISO 8601; `trust` is what it was made with."""

    service: str
    token: str = field(repr=False)
    user: str = ""
    expires_at: str = ""
    certificates: str | None = None
    pin: str | None = None
    check_host_name: bool = True
    insecure_http: bool = False

    @property
    def expired(self) -> bool:
        try:
            return datetime.fromisoformat(self.expires_at) < datetime.now(UTC)
        except (TypeError, ValueError):
            return False  # not known: the service will say

    @property
    def trust(self) -> Trust:
        return Trust(
            certificates=self.certificates,
            pin=self.pin,
            check_host_name=self.check_host_name,
            insecure_http=self.insecure_http,
        )


def path(environ: Mapping[str, str] = os.environ) -> Path:
    base = (
        environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME") or "~").expanduser() / ".config"
    )
    return Path(base) / "rehost" / "session.json"


def load(environ: Mapping[str, str] = os.environ) -> Session | None:
    """The log-in that was kept; None if there is none. Raises BadConfiguration."""
    file = path(environ)
    try:
        content = json.loads(file.read_text())
        known = {f.name for f in fields(Session)}
        kept = Session(**{name: value for name, value in content.items() if name in known})
        if not (isinstance(kept.service, str) and isinstance(kept.token, str)):
            raise TypeError("service and token are no texts")
        return kept
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError) as e:
        raise BadConfiguration(f"cannot use {file}: {e}; delete it and log in again") from e


def save(session: Session, environ: Mapping[str, str] = os.environ) -> None:
    """Replace the file at once, readable for its owner only from its first moment."""
    file = path(environ)
    fresh = file.with_suffix(".new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as f:
            json.dump(asdict(session), f)
        fresh.replace(file)
    except OSError as e:
        raise BadConfiguration(f"cannot keep the log-in in {file}: {e.strerror}") from e


def forget(environ: Mapping[str, str] = os.environ) -> bool:
    """Delete the log-in; False if there was none."""
    try:
        path(environ).unlink()
    except FileNotFoundError:
        return False
    return True


def connect(environ: Mapping[str, str] = os.environ, timeouts: Timeouts = PATIENT) -> Client:
    """A client for the operator's service. Raises NotAuthenticated or BadConfiguration."""
    kept = load(environ)
    service = _service(kept, environ)
    trust = kept.trust if kept and kept.service == service else Trust()
    if file := environ.get("REHOST_CA_FILE"):
        trust = replace(trust, certificates=read_certificates(Path(file)))
    return Client(service, _credentials(service, kept, environ), trust, timeouts)


def token(environ: Mapping[str, str] = os.environ) -> str:
    """For scripts that speak to the service themselves. Raises NotAuthenticated."""
    if given := environ.get("REHOST_TOKEN"):
        return given
    kept = load(environ)
    return _kept_token(_service(kept, environ), kept)


def read_certificates(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as e:
        raise BadConfiguration(f"cannot read the CA file {file}: {e}") from e


def _service(kept: Session | None, environ: Mapping[str, str]) -> str:
    given = environ.get("REHOST_SERVICE") or (kept.service if kept else LOCAL_SERVICE)
    return given.rstrip("/")


def _credentials(service: str, kept: Session | None, environ: Mapping[str, str]) -> Credentials:
    access, secret = environ.get("REHOST_AK"), environ.get("REHOST_SK")
    if access and secret:
        project = environ.get("REHOST_PROJECT_ID") or None
        return KeyPair(access=access, secret=secret, project_id=project)
    if access or secret:
        raise BadConfiguration("REHOST_AK and REHOST_SK belong together; one of them is missing")
    return Token(environ.get("REHOST_TOKEN") or _kept_token(service, kept))


def _kept_token(service: str, kept: Session | None) -> str:
    """Only for the service that it is of: another one must not get to know it."""
    if kept is None:
        raise NotAuthenticated(f"you are not logged in; {LOG_IN}")
    if kept.service != service:
        raise NotAuthenticated(f"you are logged in to {kept.service}, not to {service}; {LOG_IN}")
    if kept.expired:
        raise NotAuthenticated(f"your log-in to {service} has expired; {LOG_IN}")
    return kept.token
