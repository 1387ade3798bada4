"""What each demo has: a service of its own with one user, steps that are shown, a look around.

All of it is in a folder that goes with the demo.
"""

import os
import secrets
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.text import Text

from rehost.cli import output, report
from rehost.cli.document import Json, rows, text
from rehost.contract.client import Client
from rehost.contract.credentials import Login
from rehost.errors import Error
from rehost.system import process
from rehost.system.claims import claim
from rehost.system.process import Process

USUAL_PORT = 8780
OTHER_PORTS = 5  # so many are tried
USER = "operator"
START_LIMIT_S = 60  # a slow machine, with the first start of a fresh environment
CHECKS_LIMIT_S = 300  # emulated on a busy machine; a moment else


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
    def environ(self) -> dict[str, str]:
        """Without the operator's own settings, which are for another service."""
        inherited = {n: v for n, v in os.environ.items() if not n.startswith("REHOST_")}
        return {**inherited, "PYTHONUNBUFFERED": "1"}


def heed_signals() -> None:
    """Clean up at the first signal, and do not let a second one break that off."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    signal.signal(signal.SIGINT, _interrupt)


def _interrupt(number: int, _: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def end(number: int, _: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


def settle(folder: Path, port: int) -> Place:
    return Place(
        folder=folder,
        service=f"http://127.0.0.1:{port}",
        password=secrets.token_urlsafe(12),
    )


@contextmanager
def free_port() -> Iterator[int]:
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
def serving(place: Place, *options: str) -> Iterator[Process]:
    """Yields it once it answers."""
    argv = rehost(
        "serve",
        *("--port", place.service.rpartition(":")[2]),
        *("--data", str(place.data)),
        *("--poll-interval", "1"),
        *options,
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


def create_operator(place: Place) -> str:
    """Make the one user, log in, and return the token."""
    argv = rehost("user", "create", USER, "--password-stdin", "--data", str(place.data))
    process.run(argv, name="`rehost user create`", environ=place.environ, text=place.password)
    login = Login(user=USER, password=place.password, domain="default", project="default")
    answer = Client(place.service).call("POST", "/v3/auth/tokens", body=login.body())
    return answer.headers["x-subject-token"]


def wait_for_checks(client: Client, source: Process) -> Json:
    """The source in full, once its checks are done and its agent has been heard.

    Raises ProgramFailed if `source`, which it is expected from, ends meanwhile.
    """
    found: list[Json] = []

    def is_checked() -> bool:
        known = rows(client.call("GET", "/v3/sources").body, "source_servers")
        ready = [each for each in known if rows(each, "checks") and each.get("connected")]
        found.extend(client.call("GET", f"/v3/sources/{text(s, 'id')}").body for s in ready)
        return bool(found)

    source.wait_until(is_checked, limit_s=CHECKS_LIMIT_S)
    return found[0]


def show(out: Console, source: Json) -> None:
    out.print()
    output.show(report.draw(source, out.width, output.look(out)))


@contextmanager
def step(out: Console, name: str) -> Iterator[Callable[[str], None]]:
    """A spinner while it lasts, and a line when it is done; in a pipe only the line.

    What is yielded says beside the spinner what is being done.
    """
    look = output.look(out)
    began = time.monotonic()
    with out.status(f"{name} …") as status:

        def say(what: str) -> None:
            # More than a line would leave traces when it gets shorter again.
            room = max(0, out.width - len(name) - len("   … "))
            status.update(Text.assemble(f"{name} … ", (look.word(what)[:room], "dim")))

        yield say
    out.print(f"[green]{look.ok}[/] {name} [dim]({time.monotonic() - began:.1f} s)[/]")


def heading(out: Console, title: str) -> None:
    out.print("", report.heading(title, out.width, output.look(out)), sep="\n")


def say(out: Console, what: str, how: str) -> None:
    out.print(f"[bold]{what:9}[/] ", end="")
    out.print(how, markup=False, soft_wrap=True)


def stay(out: Console, place: Place, token: str, processes: Sequence[Process]) -> None:
    """Until Ctrl-C, or until the terminal is gone; raises ProgramFailed if a process ends first."""
    heading(out, "Look around")
    program = Path(sys.executable).with_name("rehost")
    for what, how in (
        ("API page", f"{place.service}/docs"),
        ("Log-in", f"{USER}, password {place.password}"),
        ("Shell", f"export REHOST_SERVICE={place.service} REHOST_TOKEN={token}"),
        ("Then", f"{program} sources list"),
    ):
        say(out, what, how)
    out.print("\nThe demo is running. [bold]Ctrl-C[/] ends it and removes what it made.")
    try:
        while not _is_terminal_gone():
            for one in processes:
                one.check()
            time.sleep(0.5)
    except KeyboardInterrupt:
        out.print("\nStopping.")
        return
    end(signal.SIGHUP, None)


def _is_terminal_gone() -> bool:
    """Under `su -c` the terminal is not the controlling one: no SIGHUP tells that it has closed."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll(0))


def rehost(*args: str) -> list[str]:
    return [sys.executable, "-m", "rehost", *args]
