from itertools import chain, repeat
from pathlib import Path

import pytest

from rehost.providers.base import Power
from rehost.stages import launch
from rehost.stages.launch import Outcome, judge, watch

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
    [LOGIN, TARGET, "[  OK  ] Reached target Graphical Interface.\n", "CentOS\nlocalhost login:"],
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
    assert len(verdict.last_lines) == launch.LAST_LINES
    assert verdict.last_lines[-2] == "line 99"
    assert len(verdict.last_lines[-1]) == launch.LINE_LENGTH


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


def test_watch_can_be_stopped(monkeypatch):
    assert watched(Server(), monkeypatch, stopped=lambda: True).seconds == 0
