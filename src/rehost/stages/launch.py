"""Did the server come up? Judged by what it says on its serial console.

A system that says nothing there (no `console=ttyS0`) stays UNKNOWN, which is no verdict against it.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from rehost.providers.base import HasConsole, Power

WINDOW = 256 << 10  # bytes of console that are judged
LAST_LINES = 20
LINE_LENGTH = 300
EVERY_S = 1.0
RESTARTS = 3


class Outcome(StrEnum):
    UP = "up"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`why` is a sentence; `last_lines` are the console's, as evidence; `seconds` since the watch
    began. `failed_units` are what systemd said it could not start: the server may be up
    without them.
    """

    outcome: Outcome
    why: str
    last_lines: tuple[str, ...]
    failed_units: tuple[str, ...]
    seconds: float = 0.0


class Watched(HasConsole, Protocol):
    """What of a provider is needed to watch a server come up."""

    def power(self, server_id: str) -> Power: ...


# What is said last counts: a system may panic after its login prompt.
UP = (
    (r"^\S.{0,80}login: ?$", "it asks for a login"),
    (
        r"Reached target .*(multi-user\.target|Multi-User System|graphical\.target"
        r"|Graphical Interface)",
        "systemd reached its multi-user target",
    ),
)
FAILED = (
    (r"Kernel panic - not syncing", "the kernel panicked"),
    (
        r"You are in (emergency|rescue) mode|(?i:press enter for maintenance)",
        "it is in emergency mode",
    ),
    (r"Give root password for maintenance|Entering emergency mode", "it is in emergency mode"),
    (
        r"^\(initramfs\)|Dropping to a shell!|^dracut:/#|Starting Dracut Emergency Shell",
        "its initramfs did not find the root filesystem",
    ),
    (
        r"^grub rescue>|error: (no such device|unknown filesystem|disk .* not found)",
        "GRUB found no system",
    ),
    (r"No bootable device\.", "the firmware found no disk to start from"),
    (
        r"BdsDxe: No bootable option|Start (PXE|HTTP Boot) over|^Shell> ?$",
        "the firmware found no disk to start from",
    ),
    (
        r"(?i:(missing operating system|operating system not found|not a bootable disk))",
        "its disk has no boot loader",
    ),
)
SIGNS = tuple(
    (re.compile(pattern, re.MULTILINE), outcome, why)
    for signs, outcome in ((UP, Outcome.UP), (FAILED, Outcome.FAILED))
    for pattern, why in signs
)
FAILED_UNIT = re.compile(
    r"^\s*\[\s*(?:FAILED|DEPEND)\s*\] "
    r"(?:Failed to \w+|Failed listening on|Dependency failed for) (.+?)\.?\s*$",
    re.MULTILINE,
)
FIRMWARE_STARTS = re.compile(r"^SeaBIOS \(version|^BdsDxe: loading Boot", re.MULTILINE)
# Cursor movements begin a line; colours and the rest vanish.
MOVES = re.compile(r"\x1b\[[0-9;]*[HfEFd]|\x1bc|\r\n?")
DRESS = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[()*+][0-9A-Za-z]|[=>78DEHM])|[\0\x07\x08]")


def judge(console: str) -> Verdict:
    """The verdict on what has been said so far."""
    text = DRESS.sub("", MOVES.sub("\n", console))
    found = [
        (match.start(), outcome, why)
        for sign, outcome, why in SIGNS
        for match in sign.finditer(text)
    ]
    outcome, why = Outcome.UNKNOWN, "it has not said that it is up, nor that it failed"
    if not text.strip():
        why = "it says nothing on its serial console"
    if found:
        _, outcome, why = max(found)
    elif len(FIRMWARE_STARTS.findall(text)) > RESTARTS:
        outcome, why = Outcome.FAILED, "it starts again and again"
    return Verdict(
        outcome=outcome,
        why=why,
        last_lines=_last_lines(text),
        failed_units=tuple(dict.fromkeys(FAILED_UNIT.findall(text))),
    )


def watch(
    provider: Watched,
    server_id: str,
    *,
    limit_s: float,
    settle_s: float = 5.0,
    stopped: Callable[[], bool] = lambda: False,
) -> Verdict:
    """Wait until a server that was started is up, has failed, or `limit_s` is over.

    Up or failed is believed once it has held for `settle_s`: what is said last counts. `stopped`
    ends the wait.
    """
    began = since = time.monotonic()
    verdict = judge("")
    while True:
        now = time.monotonic()
        new = judge(provider.console(server_id, last=WINDOW).decode(errors="replace"))
        if new.outcome is not verdict.outcome:
            since = now
        verdict = new
        if verdict.outcome is not Outcome.UNKNOWN and now - since >= settle_s:
            return _at(verdict, since - began)
        if provider.power(server_id) is not Power.ON:
            return _at(_failed(verdict, "it turned itself off"), now - began)
        if now - began >= limit_s or stopped():
            return _at(verdict, now - began)
        time.sleep(EVERY_S)


def _failed(verdict: Verdict, why: str) -> Verdict:
    if verdict.outcome is Outcome.FAILED:
        why = f"{why} after {verdict.why}"
    return replace(verdict, outcome=Outcome.FAILED, why=why)


def _at(verdict: Verdict, seconds: float) -> Verdict:
    return replace(verdict, seconds=round(seconds, 1))


def _last_lines(text: str) -> tuple[str, ...]:
    lines = [line.rstrip()[:LINE_LENGTH] for line in text.split("\n") if line.strip()]
    return tuple(lines[-LAST_LINES:])
