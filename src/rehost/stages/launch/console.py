"""Whether a server came up, judged by what it says on its serial console."""

import re
from dataclasses import dataclass
from enum import StrEnum

LAST_LINES = 20
LINE_LENGTH = 300
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


# What is said last counts: a system may panic after its login prompt.
UP = (
    # Others may go on writing behind it: the kernel, a program that is started late.
    (r"^(?!Last )[\w.-]{1,64} login:(?: |$)", "it asks for a login"),
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


def _last_lines(text: str) -> tuple[str, ...]:
    lines = [line.rstrip()[:LINE_LENGTH] for line in text.split("\n") if line.strip()]
    return tuple(lines[-LAST_LINES:])
