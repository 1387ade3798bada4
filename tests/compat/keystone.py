"""A real Keystone on loopback, with its bootstrap user and a few more made over its API."""

import hashlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEYSTONE = "keystone==30.0.0"
PASSWORD = "bootstrap-password"
START_S = 60
CONFIGURATION = """
[DEFAULT]
log_file = {folder}/keystone.log
[database]
connection = sqlite:///{folder}/keystone.db
[fernet_tokens]
key_repository = {folder}/tokens
[fernet_receipts]
key_repository = {folder}/receipts
[credential]
key_repository = {folder}/credentials
[cache]
enabled = false
"""
SERVER = """
import sys, wsgiref.simple_server
port = int(sys.argv.pop())
from keystone.server import wsgi
application = wsgi.initialize_public_application()
wsgiref.simple_server.make_server("127.0.0.1", port, application).serve_forever()
"""


def environment() -> Path:
    """A virtual environment with Keystone, kept between runs: it takes a while to make."""
    cache = Path(os.environ.get("REHOST_CACHE", Path.home() / ".cache" / "rehost"))
    name = hashlib.sha256(f"{KEYSTONE} {sys.version}".encode()).hexdigest()[:16]
    made = cache / f"keystone-{name}"
    if not (made / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", made], check=True)
        pip = [str(made / "bin" / "python"), "-m", "pip", "install", "-qq", KEYSTONE]
        subprocess.run(pip, check=True)
        (made / "complete").touch()
    return made


@dataclass
class KeystoneServer:
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v3"

    def start(self) -> None:
        programs = environment() / "bin"
        for name in ("tokens", "receipts", "credentials"):
            (self.folder / name).mkdir(mode=0o700, exist_ok=True)
        configuration = self.folder / "keystone.conf"
        configuration.write_text(CONFIGURATION.format(folder=self.folder))
        environ = os.environ | {
            "OS_KEYSTONE_CONFIG_FILES": str(configuration),
            "PYTHONWARNINGS": "ignore",
        }
        manage = [str(programs / "keystone-manage"), "--config-file", str(configuration)]
        for step in (
            ["db_sync"],
            [
                "fernet_setup",
                "--keystone-user",
                str(os.getuid()),
                "--keystone-group",
                str(os.getgid()),
            ],
            [
                "credential_setup",
                "--keystone-user",
                str(os.getuid()),
                "--keystone-group",
                str(os.getgid()),
            ],
            ["bootstrap", "--bootstrap-password", PASSWORD, "--bootstrap-public-url", self.url],
        ):
            done = subprocess.run([*manage, *step], env=environ, capture_output=True, check=False)
            assert done.returncode == 0, done.stderr.decode()[-2000:]
        with (self.folder / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(
                [programs / "python", "-c", SERVER, str(self.port)],
                env=environ,
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + START_S
        while True:
            try:
                urllib.request.urlopen(self.url, timeout=1).close()
                return
            except OSError:
                assert time.monotonic() < until, (self.folder / "serve.log").read_text()
                time.sleep(0.1)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(START_S)

    def token(self, user: str, password: str, project: str | None) -> str:
        scope = {} if project is None else {"scope": {"project": self._named(project)}}
        who = {"user": self._named(user) | {"password": password}}
        body = {"auth": {"identity": {"methods": ["password"], "password": who}} | scope}
        headers, _ = self.call("POST", "/auth/tokens", body)
        return headers["X-Subject-Token"]

    def admin(self) -> str:
        return self.token("admin", PASSWORD, "admin")

    def member(self, name: str, project: str, role: str) -> None:
        """Make a user, whose password is its name, with a role in a project, made if new."""
        admin = self.admin()
        _, found = self.call("GET", f"/projects?name={project}", token=admin)
        if found["projects"]:
            project_id = found["projects"][0]["id"]
        else:
            body: dict[str, Any] = {"project": {"name": project, "domain_id": "default"}}
            project_id = self.call("POST", "/projects", body, admin)[1]["project"]["id"]
        body = {"user": {"name": name, "password": name, "domain_id": "default"}}
        user_id = self.call("POST", "/users", body, admin)[1]["user"]["id"]
        _, roles = self.call("GET", f"/roles?name={role}", token=admin)
        role_id = roles["roles"][0]["id"]
        path = f"/projects/{project_id}/users/{user_id}/roles/{role_id}"
        self.call("PUT", path, token=admin)

    def call(
        self, method: str, path: str, body: object = None, token: str = ""
    ) -> tuple[dict[str, str], Any]:
        headers = {"Content-Type": "application/json", "X-Auth-Token": token}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            raw = answer.read()
            return dict(answer.headers), json.loads(raw) if raw else None

    @staticmethod
    def _named(name: str) -> dict[str, Any]:
        return {"name": name, "domain": {"id": "default"}}
