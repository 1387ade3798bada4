"""What scripts/demo runs: a service and the agent of this machine, for as long as one looks.

Everything is kept in a temporary folder, which goes with the demo; nothing is installed, and
this machine is only read.
"""

import os
import secrets
import select
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from rich.console import Console

from rehost.cli import demo_migration, exits, output, report
from rehost.cli.demo_disk import make_disk
from rehost.cli.document import Json, rows, text
from rehost.contract.client import Client
from rehost.contract.credentials import Login, Token
from rehost.errors import Error
from rehost.system import process
from rehost.system.claims import claim
from rehost.system.process import Process

USUAL_PORT = 8780
OTHER_PORTS = 5  # so many are tried
USER = "operator"
START_LIMIT_S = 60  # a slow machine, with the first start of a fresh environment
CHECKS_LIMIT_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where this demo lives: its folder, its service, its one user."""

    folder: Path
    service: str
    password: str = field(repr=False)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def disk(self) -> Path:
        """Goes with this machine's own disks."""
        return self.folder / "small-disk.img"

    @property
    def environ(self) -> dict[str, str]:
        """Without the operator's own settings, which are for another service."""
        inherited = {n: v for n, v in os.environ.items() if not n.startswith("REHOST_")}
        return {**inherited, "PYTHONUNBUFFERED": "1"}


def main() -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    sys.exit(exits.guard(demo))


def demo() -> None:
    """Raises ProgramFailed or another Error; cleans up whatever happens."""
    out = output.console()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="rehost-demo-"))
        place = _place(Path(folder), stack.enter_context(_port()))
        with _step(out, "starting the service"):
            service = stack.enter_context(_service(place))
        with _step(out, f"creating the user {USER}"):
            token = _create_operator(place)
        client = Client(place.service, Token(token))
        with _step(out, "making a small disk"):
            make_disk(place.disk)
        with _step(out, "starting the agent of this machine"):
            agent = stack.enter_context(_agent(place, client))
        with _step(out, "waiting for the checks"):
            source = _wait_for_checks(client, agent)
        _show(out, source)
        demo_migration.migrate(out, client, text(source, "id"), place.disk, place.data)
        _show_for_programs(out, client, source, place, token)
        if sys.stdout.isatty():
            _stay(out, place, token, [service, agent])


def _end(number: int, _: FrameType | None) -> None:
    # Once is enough: a second signal must not break off the cleaning up.
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


def _place(folder: Path, port: int) -> Place:
    return Place(
        folder=folder,
        service=f"http://127.0.0.1:{port}",
        password=secrets.token_urlsafe(12),
    )


@contextmanager
def _port() -> Iterator[int]:
    """The service's usual port, or any other that is free; no other demo will have it meanwhile.

    Services may share a port, so two that start at once would not notice each other.
    """
    for wanted in (USUAL_PORT, *[0] * OTHER_PORTS):
        port = _free(wanted)
        claimed = claim(f"demo/{port}") if port else None
        if port and claimed:
            with claimed:
                yield port
            return
    raise OSError("no port is free on 127.0.0.1")


def _free(wanted: int) -> int | None:
    """That port, if it is free; 0 stands for any."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return None
        return int(probe.getsockname()[1])


@contextmanager
def _service(place: Place) -> Iterator[Process]:
    argv = _rehost(
        "serve",
        *("--port", place.service.rpartition(":")[2]),
        *("--data", str(place.data)),
        *("--poll-interval", "1"),
    )
    log = place.folder / "service.log"
    with process.running(argv, name="the service", log=log, environ=place.environ) as service:
        client = Client(place.service)

        def answers() -> bool:
            try:
                client.call("GET", "/")
            except Error:
                return False
            return True

        service.wait_until(answers, limit_s=START_LIMIT_S)
        yield service


def _create_operator(place: Place) -> str:
    """Make the one user, log in, and return the token."""
    argv = _rehost("user", "create", USER, "--password-stdin", "--data", str(place.data))
    process.run(argv, name="`rehost user create`", environ=place.environ, text=place.password)
    login = Login(user=USER, password=place.password, domain="default", project="default")
    answer = Client(place.service).call("POST", "/v3/auth/tokens", body=login.body())
    return answer.headers["x-subject-token"]


@contextmanager
def _agent(place: Place, client: Client) -> Iterator[Process]:
    """Register this machine with an enrolment code, as a real source does, and start its agent."""
    code = client.call("POST", "/v3/rehost/enrolments", body={"hours": 1}).body["code"]
    state = ("--state-dir", str(place.folder / "agent"))
    disk = ("--disk", str(place.disk))
    register = ("register", "--service", place.service, "--code", code, *disk, *state)
    process.run(_rehost_agent(*register), name="`rehost-agent register`", environ=place.environ)
    with process.running(
        _rehost_agent("run", *state),
        name="the agent",
        log=place.folder / "agent.log",
        environ=place.environ,
    ) as agent:
        yield agent


def _wait_for_checks(client: Client, agent: Process) -> Json:
    """The source in full, once its checks are done and its agent has been heard."""
    found: list[Json] = []

    def is_checked() -> bool:
        for source in rows(client.call("GET", "/v3/sources").body, "source_servers"):
            if rows(source, "checks") and source.get("connected"):
                path = f"/v3/sources/{text(source, 'id')}"
                found.append(client.call("GET", path).body)
        return bool(found)

    agent.wait_until(is_checked, limit_s=CHECKS_LIMIT_S)
    return found[0]


def _show(out: Console, source: Json) -> None:
    out.print()
    output.show(report.draw(source, out.width, output.look(out)))


def _show_for_programs(
    out: Console, client: Client, source: Json, place: Place, token: str
) -> None:
    look = output.look(out)
    path = f"/v3/sources/{text(source, 'id')}"
    url = f"{place.service}{path}"
    out.print("", report.heading("The same for programs", out.width, look), sep="\n")
    out.print(f'curl -H "X-Auth-Token: {token}" {url}', markup=False, soft_wrap=True)
    out.print()
    out.file.flush()
    output.show_json(client.call("GET", path).body)


def _stay(out: Console, place: Place, token: str, processes: list[Process]) -> None:
    """Until Ctrl-C, or until the terminal is gone; raises ProgramFailed if a process ends first."""
    look = output.look(out)
    out.print("", report.heading("Look around", out.width, look), sep="\n")
    rehost = Path(sys.executable).with_name("rehost")
    for what, how in (
        ("API page", f"{place.service}/docs"),
        ("Log-in", f"{USER}, password {place.password}"),
        ("Shell", f"export REHOST_SERVICE={place.service} REHOST_TOKEN={token}"),
        ("Then", f"{rehost} sources list"),
    ):
        out.print(f"[bold]{what:9}[/] ", end="")
        out.print(how, markup=False, soft_wrap=True)
    out.print("\nThe demo is running. [bold]Ctrl-C[/] ends it and removes what it made.")
    try:
        while not _is_terminal_gone():
            for one in processes:
                one.check()
            time.sleep(0.5)
    except KeyboardInterrupt:
        out.print("\nStopping.")
        return
    _end(signal.SIGHUP, None)


def _is_terminal_gone() -> bool:
    """Under `su -c` the terminal is not the controlling one: no SIGHUP tells that it has closed."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll(0))


@contextmanager
def _step(out: Console, name: str) -> Iterator[None]:
    """A spinner while it lasts, and a line when it is done; in a pipe only the line."""
    look = output.look(out)
    began = time.monotonic()
    with out.status(f"{name} …"):
        yield
    out.print(f"[green]{look.ok}[/] {name} [dim]({time.monotonic() - began:.1f} s)[/]")


def _rehost(*args: str) -> list[str]:
    return [sys.executable, "-m", "rehost", *args]


def _rehost_agent(*args: str) -> list[str]:
    return [sys.executable, "-m", "rehost.agent", *args]


if __name__ == "__main__":
    main()
