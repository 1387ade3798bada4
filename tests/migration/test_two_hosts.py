"""As an administrator does it: a service on one host, the line that it prints on another.

Two network namespaces are the hosts. The agent is the file that the service hands out, run by a
Python that has no packages at all.
"""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from rehost.cli.demo_disk import make_disk

pytestmark = pytest.mark.needs("root", "ip", "curl", "mkfs.ext4")
SERVICE, SOURCE = "10.99.7.1", "10.99.7.2"
URL = f"https://{SERVICE}:8780"
LIMIT_S = 120


class Hosts:
    """`service` and `source`, and a wire between them."""

    def __init__(self, folder: Path, cleanup: ExitStack) -> None:
        self.folder = folder
        self._cleanup = cleanup
        for name in ("rehost-service", "rehost-source"):
            sh("ip", "netns", "add", name)
            cleanup.callback(sh, "ip", "netns", "delete", name)
        ends = ("name", "v-service", "netns", "rehost-service", "type", "veth", "peer")
        sh("ip", "link", "add", *ends, "name", "v-source", "netns", "rehost-source")
        for name, address in (("service", SERVICE), ("source", SOURCE)):
            ip = ("ip", "-n", f"rehost-{name}")
            sh(*ip, "address", "add", f"{address}/24", "dev", f"v-{name}")
            for link in ("lo", f"v-{name}"):
                sh(*ip, "link", "set", link, "up")

    def run(self, host: str, *words: object, text: str = "") -> str:
        home = {"HOME": str(self.folder), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        done = subprocess.run(
            self._on(host, words), input=text, env=home, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, host: str, *words: object) -> None:
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(self._on(host, words), stdout=log, stderr=log)
        self._cleanup.callback(process.wait)
        self._cleanup.callback(process.terminate)

    def rehost(self, *words: object, host: str = "source", text: str = "") -> str:
        return self.run(host, sys.executable, "-m", "rehost", *words, text=text)

    def _on(self, host: str, words: tuple[object, ...]) -> list[str]:
        return ["ip", "netns", "exec", f"rehost-{host}", *map(str, words)]


def sh(*words: str) -> None:
    subprocess.run(words, check=True)


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    with ExitStack() as cleanup:
        yield Hosts(tmp_path, cleanup)


def until(question: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + LIMIT_S
    while True:
        try:
            if answer := question():
                return answer
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        assert time.monotonic() < deadline
        time.sleep(0.3)


def test_a_disk_moves_from_host_to_host(hosts: Hosts, tmp_path: Path):
    data, disk = tmp_path / "data", tmp_path / "disk.img"
    make_disk(disk)
    said = hosts.rehost("user", "create", "ada", "--data", data, host="service")
    [password] = re.findall(r"password: (\S+)", said)
    where = ("--host", SERVICE, "--data", data, "--provider", "null", "--poll-interval", "1")
    hosts.start("service", sys.executable, "-m", "rehost", "serve", *where)

    login = ("login", "--service", URL, "--user", "ada", "--password-stdin")
    until(lambda: hosts.rehost(*login, "--ca-file", data / "tls.crt", text=password) is not None)
    line = hosts.rehost("enroll").splitlines()[-1]
    [digest], [code], [pin] = (
        re.findall(p, line) for p in (r'"([0-9a-f]{64})  ', r"--code (\S+)", r"--pin (\S+)")
    )
    agent, installer = tmp_path / "rehost-agent", tmp_path / "rehost-agent.run"
    fetched = f"{URL}/agent/rehost-agent.run"
    hosts.run("source", "curl", "-fsS", "--insecure", fetched, "-o", installer)
    assert hosts.run("source", "sha256sum", installer).split()[0] == digest
    fetched = f"{URL}/agent/rehost-agent.pyz"
    hosts.run("source", "curl", "-fsS", "--insecure", fetched, "-o", agent)
    assert agent.read_bytes() in installer.read_bytes()
    # -S: without site-packages, as on a server that has none of ours. Its child has them, if
    # this Python does; so the packages that came along are made sure of by their place.
    program = (sys.executable, "-S", agent)
    state = ("--state-dir", tmp_path / "state")
    credentials = ("--service", URL, "--code", code, "--pin", pin, "--disk", disk)
    hosts.run("source", *program, "register", *credentials, *state)
    hosts.start("source", *program, "run", *state)

    [source] = json.loads(hosts.rehost("sources", "list", "--json"))["source_servers"]
    others = [d["name"] for d in source["init_target_server"]["disks"] if d["name"] != str(disk)]
    body = {"disks": [{"id": name, "need_migration": False} for name in others]}
    token = f"X-Auth-Token: {hosts.rehost('token').strip()}"
    put = ("curl", "-fsS", "--cacert", data / "tls.crt", "-X", "PUT", "-H", token)
    json_type = ("-H", "Content-Type: application/json", "-d", json.dumps(body))
    hosts.run("source", *put, *json_type, f"{URL}/v3/sources/{source['id']}")
    create = ("tasks", "create", source["id"], "--name", "move", "--leave-target-off")
    said = hosts.rehost(*create, "--start", "--watch")
    assert "MIGRATE_SUCCESS" in said.splitlines()[-1]

    [target] = (data / "targets").rglob("disk-0.img")
    subprocess.run(["cmp", disk, target], check=True)
    assert (tmp_path / "state" / "packages" / "blake3" / "__init__.py").exists()
