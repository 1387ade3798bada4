"""A real service on loopback, as `rehost serve` runs it, and callers for it."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port
from tests.unit.identities import House, house

START_S = 30


@dataclass
class Service:
    """A service with its data folder; it can be stopped, killed and started again."""

    data: Path
    port: int
    options: tuple[str, ...] = ()
    database: str = ""  # SQLite in the data folder
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | ({"REHOST_DATABASE": self.database} if self.database else {})

    @property
    def log(self) -> Path:
        return self.data.parent / "serve.log"

    def rehost(self, *words: str, stdin: str = "", **variables: str) -> str:
        """Run an administrator's command on this service's data."""
        return subprocess.run(
            [sys.executable, "-m", "rehost", *words],
            input=stdin,
            env=self.environment | {"REHOST_DATA": str(self.data)} | variables,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def start(self) -> None:
        words = ["serve", "--data", str(self.data), "--port", str(self.port), *self.options]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rehost", *words],
                stdout=log,
                stderr=log,
                env=self.environment,
                start_new_session=True,
            )
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            try:
                urllib.request.urlopen(self.url, timeout=1).close()
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
                time.sleep(0.05)
            else:
                return
        pytest.fail("the service did not start: " + self.log.read_text())

    def kill(self) -> None:
        """SIGKILL to every process of the service, in no order."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(START_S)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(START_S)

    @contextmanager
    def house(self) -> Iterator[House]:
        """The service's users, straight in its database."""
        with house(self.data, self.database) as opened:
            yield opened

    def token(self, role: str = "operator", project: str = "default") -> str:
        """A token of a new user with a role in a project."""
        with self.house() as opened:
            where = opened.project(project)
            name = f"user-{uuid.uuid4().hex[:8]}"
            return opened.token(opened.user(name, **{project: role}), where)

    def call(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, dict[str, str], Any]:
        """One request with headers like X_Auth_Token="…"; status, headers, decoded body."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        if data is not None and "Content-Type" not in names:
            names["Content-Type"] = "application/json"
        request = urllib.request.Request(self.url + path, data, names, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                raw, status, received = answer.read(), answer.status, dict(answer.headers)
        except urllib.error.HTTPError as e:
            with e:
                raw, status, received = e.read(), e.code, dict(e.headers)
        return status, {k.lower(): v for k, v in received.items()}, json.loads(raw) if raw else None


@pytest.fixture(scope="session")
def make_service(
    tmp_path_factory: pytest.TempPathFactory, new_database: Callable[[], str]
) -> Iterator[Callable[..., Service]]:
    """Start services of one's own; all are stopped at the end."""
    made: list[Service] = []

    def make(*options: str) -> Service:
        service = Service(tmp_path_factory.mktemp("service") / "data", free_port(), options)
        service.database = new_database()
        service.start()
        made.append(service)
        return service

    yield make
    for service in made:
        service.stop()


@pytest.fixture(scope="session")
def service(make_service: Callable[..., Service]) -> Service:
    """One service for all tests that do not disturb it."""
    return make_service()
