from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, repeat
from pathlib import Path
from socket import create_connection, create_server, socket
from threading import Thread
from time import sleep

import pytest

from rehost.provider_errors import BadProbe, MachineSilent
from rehost.providers.base import Power
from rehost.stages import launch
from rehost.stages.launch import Outcome, console, judge, parse, probe, watch

# Beginning and end of what a Debian 12 with that fault said to QEMU.
CONSOLES = Path(__file__).parents[1] / "data" / "consoles"
LOGIN = "\r\nDebian GNU/Linux 12 web-1 ttyS0\r\n\r\nweb-1 login: "
TARGET = (
    "[\x1b[0;32m  OK  \x1b[0m] Reached target "
    "\x1b[0;1;39mmulti-user.target\x1b[0m - Multi-User System.\r\n"
)
PANIC = (
    "[    1.9] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\r\n"
)


@pytest.mark.parametrize(
    "said",
    [
        LOGIN,
        TARGET,
        "[  OK  ] Reached target Graphical Interface.\n",
        "CentOS\nlocalhost login:",
        LOGIN + "[   43.3] cryptd: ready\r\n",
    ],
)
def test_up(said):
    assert judge(said).outcome is Outcome.UP


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (PANIC, "panicked"),
        ("You are in emergency mode. After logging in, type", "emergency"),
        ("Give root password for maintenance\r\n(or press Control-D to continue): ", "emergency"),
        ("Entering emergency mode. Exit the shell to continue.", "emergency"),
        ("ALERT!  UUID=1 does not exist.  Dropping to a shell!\r\n\r\n(initramfs) ", "root"),
        ("dracut:/# ", "root"),
        ("error: no such device: 0a0b.\r\ngrub rescue> ", "GRUB"),
        ("Booting from Hard Disk...\r\nNo bootable device.\r\n", "firmware"),
        ("BdsDxe: No bootable option or device was found.\r\n", "firmware"),
        ("\x1b[2J\x1b[01;01H>>Start PXE over IPv4.", "firmware"),
        ("Booting from Hard Disk...\r\nMissing operating system", "boot loader"),
        ("SeaBIOS (version 1.16)\r\nBooting from Hard Disk...\r\n" * 5, "again and again"),
    ],
)
def test_failed(said, why):
    verdict = judge(said)
    assert verdict.outcome is Outcome.FAILED
    assert why in verdict.why


@pytest.mark.parametrize(
    ("name", "outcome", "why", "unit"),
    [
        ("emergency", Outcome.FAILED, "emergency", "data.mount - /data"),
        ("no-root", Outcome.FAILED, "root", None),
        ("panic", Outcome.FAILED, "panicked", None),
        ("failed-unit", Outcome.UP, "login", "broken.service - A broken one"),
    ],
)
def test_consoles_of_debian_12(name, outcome, why, unit):
    verdict = judge((CONSOLES / f"{name}.log").read_bytes().decode(errors="replace"))
    assert verdict.outcome is outcome
    assert why in verdict.why
    assert unit is None or unit in verdict.failed_units


@pytest.mark.parametrize(
    "said",
    [
        "",
        "GRUB loading.\r\nWelcome to GRUB!\r\n",
        "Last login: Tue Nov 24 on ttyS0\r\nroot@web-1:~# ",
        "[  OK  ] Reached target basic.target - Basic System.\r\n",
        "SeaBIOS (version 1.16)\r\nBooting from Hard Disk...\r\n" * 2,
    ],
)
def test_unknown(said):
    assert judge(said).outcome is Outcome.UNKNOWN


def test_what_is_said_last_counts():
    assert judge(LOGIN + "\r\n" + PANIC).outcome is Outcome.FAILED
    assert judge(PANIC + "SeaBIOS\r\n" + LOGIN).outcome is Outcome.UP


def test_failed_units_are_named_once_without_colours():
    said = (
        "[\x1b[0;1;31mFAILED\x1b[0m] Failed to start "
        "\x1b[0;1;39mnginx.service\x1b[0m - A web server.\r\n"
        "[\x1b[0;1;38;5;185mDEPEND\x1b[0m] Dependency failed for \x1b[0;1;39m/data\x1b[0m.\r\n"
        "[FAILED] Failed to start nginx.service - A web server.\r\n" + LOGIN
    )
    verdict = judge(said)
    assert verdict.failed_units == ("nginx.service - A web server", "/data")
    assert verdict.outcome is Outcome.UP


def test_evidence_is_the_last_lines_and_not_more():
    verdict = judge("".join(f"line {i}\r\n" for i in range(100)) + "x" * 10000)
    assert len(verdict.last_lines) == console.LAST_LINES
    assert verdict.last_lines[-2] == "line 99"
    assert len(verdict.last_lines[-1]) == console.LINE_LENGTH


class Server:
    """Says one thing after the other, a second each, then is silent, and off if `ends`."""

    def __init__(self, *says: str, ends: bool = False) -> None:
        self._says = chain(says, repeat(""))
        self._said = ""
        self._left = len(says) if ends else 1 << 30
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def console(self, server_id: str, *, last: int) -> bytes:
        self._said += next(self._says)
        self._left -= 1
        return self._said.encode()[-last:]

    def power(self, server_id: str) -> Power:
        return Power.ON if self._left > 0 else Power.OFF


def watched(server: Server, monkeypatch, **options):
    monkeypatch.setattr(launch, "time", server)
    return watch(server, "web-1", **({"limit_s": 60} | options))


def test_watch_tells_how_long_it_took_to_come_up(monkeypatch):
    verdict = watched(Server("", "", "", LOGIN), monkeypatch)
    assert verdict.outcome is Outcome.UP
    assert verdict.seconds == 3


def test_watch_does_not_believe_the_first_sight(monkeypatch):
    server = Server(TARGET, "\r\n" + PANIC)
    assert watched(server, monkeypatch).outcome is Outcome.FAILED


def test_watch_ends_in_time(monkeypatch):
    verdict = watched(Server("Loading Linux ...\r\n"), monkeypatch)
    assert verdict.outcome is Outcome.UNKNOWN
    assert verdict.seconds == 60
    assert verdict.last_lines == ("Loading Linux ...",)


def test_watch_sees_a_server_that_turns_itself_off(monkeypatch):
    verdict = watched(
        Server("Loading Linux ...\r\n", "reboot: Power down\r\n", ends=True), monkeypatch
    )
    assert verdict.outcome is Outcome.FAILED
    assert "off" in verdict.why


class Held(Server):
    """Stops for want of space once it is `at` seconds old."""

    def __init__(self, at: float, *says: str) -> None:
        super().__init__(*says)
        self._at = at

    def trouble(self, server_id: str) -> str:
        if self.now < 1:
            raise MachineSilent(server_id, "query-status", "busy")
        return "no space is left" if self.now >= self._at else ""


def test_server_that_is_held_up_has_failed_and_is_not_waited_for(monkeypatch):
    verdict = watched(Held(20, "Loading Linux ...\r\n"), monkeypatch)
    assert (verdict.outcome, verdict.why) == (Outcome.FAILED, "no space is left")
    assert 20 <= verdict.seconds < 30


def test_server_that_is_held_up_is_not_up_whatever_it_said(monkeypatch):
    verdict = watched(Held(5, "", LOGIN), monkeypatch, settle_s=4.5)
    assert (verdict.outcome, verdict.why) == (Outcome.FAILED, "no space is left")


def test_server_that_nothing_holds_up_is_up(monkeypatch):
    assert watched(Held(1 << 30, LOGIN), monkeypatch).outcome is Outcome.UP


def test_watch_can_be_stopped(monkeypatch):
    assert watched(Server(), monkeypatch, stopped=lambda: True).seconds == 0


class Reached(Server):
    """A server whose ports are one port of this machine, which `answer` serves."""

    def __init__(self, port: int, *says: str, ends: bool = False) -> None:
        super().__init__(*says, ends=ends)
        self._port = port
        self.asked: list[int] = []

    def reach(self, server_id: str, port: int) -> tuple[str, int]:
        self.asked.append(port)
        return "127.0.0.1", self._port

    def accepts(self, server_id: str, port: int) -> bool:
        self.asked.append(port)
        try:
            create_connection(("127.0.0.1", self._port)).close()
        except OSError:
            return False
        return True


@contextmanager
def serving(answer: Callable[[socket], None]) -> Iterator[int]:
    with create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    try:
                        answer(connection)
                    except OSError:
                        continue

        thread = Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(2)
            thread.join()


def saying(*parts: bytes) -> Callable[[socket], None]:
    def answer(connection: socket) -> None:
        for part in parts:
            connection.sendall(part)

    return answer


def http(status: str) -> Callable[[socket], None]:
    def answer(connection: socket) -> None:
        asked = connection.recv(4096).split(b"\r\n")[0]
        said = status if asked == b"GET /health HTTP/1.1" else "500 What?"
        connection.sendall(f"HTTP/1.1 {said}\r\nContent-Length: 0\r\n\r\n".encode())

    return answer


def nothing_there() -> int:
    with create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize(
    "parts", [(b"SSH-2.0-x\r\n",), (b"Welcome\r\n", b"SSH-2.0-x\r\n"), (b"SSH-",)]
)
def test_one_that_is_silent_and_answers_ssh_is_up(monkeypatch, parts):
    with serving(saying(*parts)) as port:
        server = Reached(port)
        verdict = watched(server, monkeypatch)
    assert (verdict.outcome, verdict.why) == (Outcome.UP, "SSH answers at its port 22")
    assert verdict.seconds == 0
    assert server.asked == [22]


@pytest.mark.parametrize("parts", [(), (b"220 mail\r\n",), (b"not SSH-2.0\r\n",), (b"x" * 9999,)])
def test_what_is_not_ssh_is_no_verdict(monkeypatch, parts):
    with serving(saying(*parts)) as port:
        assert watched(Reached(port), monkeypatch).outcome is Outcome.UNKNOWN


def test_port_that_nobody_listens_at_is_no_verdict(monkeypatch):
    assert watched(Reached(nothing_there()), monkeypatch).outcome is Outcome.UNKNOWN


def dripping(encrypted: bool = False) -> Callable[[socket], None]:
    """Says a little, and a little more, for as long as anybody listens."""

    def answer(connection: socket) -> None:
        if encrypted:
            connection.sendall(b"\x16\x03\x03\x40\x00")  # a handshake of 16 KiB begins
        while True:
            connection.sendall(b"x")
            sleep(0.01)

    return answer


@pytest.mark.parametrize("wanted", ["ssh:22", "http:80", "https:443"])
def test_service_that_drips_holds_nobody(monkeypatch, wanted):
    monkeypatch.setattr(probe, "TIME_LIMIT_S", 0.2)
    with serving(dripping(encrypted=wanted.startswith("https"))) as port:
        asking = Thread(target=probe.answers, args=(Reached(port), "web-1", parse(wanted)))
        asking.daemon = True
        asking.start()
        asking.join(20)
        assert not asking.is_alive()


def test_port_that_never_speaks_is_no_verdict(monkeypatch):
    monkeypatch.setattr(probe, "TIME_LIMIT_S", 0.05)
    held: list[socket] = []
    with serving(lambda connection: held.append(connection.dup())) as port:
        assert watched(Reached(port), monkeypatch).outcome is Outcome.UNKNOWN
    for connection in held:
        connection.close()


def test_console_that_says_failed_is_believed_more_than_ssh(monkeypatch):
    with serving(saying(b"SSH-2.0-x\r\n")) as port:
        verdict = watched(Reached(port, "", "", "", PANIC), monkeypatch)
    assert verdict.outcome is Outcome.FAILED


def test_console_that_says_up_needs_no_ssh(monkeypatch):
    server = Reached(nothing_there(), LOGIN)
    assert watched(server, monkeypatch).outcome is Outcome.UP
    assert server.asked == []


def test_failed_units_are_told_of_one_that_answers(monkeypatch):
    with serving(saying(b"SSH-2.0-x\r\n")) as port:
        verdict = watched(Reached(port, "[FAILED] Failed to start x.service.\r\n"), monkeypatch)
    assert (verdict.outcome, verdict.failed_units) == (Outcome.UP, ("x.service",))


def test_with_a_probe_the_console_is_not_enough(monkeypatch):
    wanted = parse("http:8080/health")
    with serving(http("503 Starting")) as port:
        verdict = watched(Reached(port, LOGIN), monkeypatch, probe=wanted)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.why == "http:8080/health did not answer in time; it asks for a login"
    assert verdict.seconds == 60


@pytest.mark.parametrize("status", ["200 OK", "302 Found"])
def test_probe_that_answers_is_enough(monkeypatch, status):
    with serving(http(status)) as port:
        verdict = watched(Reached(port), monkeypatch, probe=parse("http:8080/health"))
    assert (verdict.outcome, verdict.why) == (Outcome.UP, "it answers http:8080/health")


def test_tcp_probe(monkeypatch):
    with serving(saying()) as port:
        assert watched(Reached(port), monkeypatch, probe=parse("tcp:5432")).outcome is Outcome.UP
    closed = Reached(nothing_there())
    assert watched(closed, monkeypatch, probe=parse("tcp:5432")).outcome is Outcome.FAILED


def test_probe_that_cannot_be_made_is_no_verdict(monkeypatch):
    verdict = watched(Server(LOGIN), monkeypatch, probe=parse("tcp:5432"))
    assert verdict.outcome is Outcome.UNKNOWN
    assert "no way" in verdict.why


def test_machine_whose_monitor_is_silent_is_asked_again(monkeypatch):
    class Slow(Reached):
        def reach(self, server_id: str, port: int) -> tuple[str, int]:
            if self.now < 30:
                raise MachineSilent(server_id, "reach", "busy")
            return super().reach(server_id, port)

    with serving(saying(b"SSH-2.0-x\r\n")) as port:
        verdict = watched(Slow(port), monkeypatch)
    assert (verdict.outcome, verdict.seconds) == (Outcome.UP, 30)


@pytest.mark.parametrize(
    "text", ["tcp:1", "ssh:2222", "http:80/", "https:8443/health?full=1", "tcp:65535"]
)
def test_probes_are_what_they_were_written_as(text):
    assert str(parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "80", "tcp:", "tcp:0", "tcp:65536", "tcp:80/x", "http:80/a b", "http:80/\n", "ftp:21",
     "http://host/", "tcp:80\n"],
)  # fmt: skip
def test_what_is_no_probe(text):
    with pytest.raises(BadProbe):
        parse(text)
