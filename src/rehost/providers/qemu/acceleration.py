"""Whether guests run with hardware virtualisation: found out by running one.

/dev/kvm can be there and open, and a guest hang all the same, or run more slowly than an emulated
one: under some hypervisors, in some containers.
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rehost.errors import ProgramFailed
from rehost.providers.qemu.options import Acceleration
from rehost.system import process

TIME_LIMIT_S = 10.0  # emulated, on a host with a load of 17 on two CPUs, it took 1.9 s
MESSAGE = b"runs"
# Where KVM works, both take a fifth of a second. Under a hypervisor that emulates it, KVM took
# 5.6 s, and real systems did not get anywhere; a busy host delays either by a second or two.
SLOWER = 2  # times the emulated guest, and
DELAY_S = 1.0
KVM = Path("/dev/kvm")

# Starts at 0x7c00: writes MESSAGE to QEMU's debug port, then resets the machine.
CODE = bytes.fromhex(
    "fc"  # cld
    "31c0"  # xor ax, ax
    "8ed8"  # mov ds, ax
    "be187c"  # mov si, message
    "ac"  # next: lodsb
    "84c0"  # test al, al
    "7404"  # jz reset
    "e6e9"  # out 0xe9, al
    "ebf7"  # jmp next
    "b0fe"  # reset: mov al, 0xfe
    "e664"  # out 0x64, al
    "f4"  # halt: hlt
    "ebfd"  # jmp halt
)
BOOT_SECTOR = (CODE + MESSAGE + b"\0").ljust(510, b"\0") + b"\x55\xaa"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """`why` is a sentence for people."""

    acceleration: Acceleration
    why: str


def probe(program: str, wanted: Acceleration) -> Probed:
    """The acceleration to use. AUTO tries a guest; another is taken at its word."""
    if wanted is not Acceleration.AUTO:
        return Probed(acceleration=wanted, why=f"{wanted}, as the service was told to use")
    if not KVM.exists():
        return _emulated(f"this host has no {KVM}")
    try:
        took = run_guest(program, Acceleration.KVM)
        emulated = run_guest(program, Acceleration.TCG)
    except ProgramFailed as e:
        return _emulated(f"this host has {KVM}, but a guest that was tried with it failed: {e}")
    if took > SLOWER * emulated + DELAY_S:
        return _emulated(
            f"this host has {KVM}, but a guest that was tried with it took {took:.1f} s, and "
            f"{emulated:.1f} s without"
        )
    return Probed(acceleration=Acceleration.KVM, why="hardware virtualisation (KVM)")


def run_guest(program: str, acceleration: Acceleration, *, limit_s: float = TIME_LIMIT_S) -> float:
    """Run a guest of one boot sector to its end, and say for how many seconds it ran.

    Raises ProgramFailed.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="rehost-probe-") as folder:
        disk, said = Path(folder, "disk.img"), Path(folder, "said")
        disk.write_bytes(BOOT_SECTOR.ljust(1 << 20, b"\0"))
        argv = [
            *(program, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            *("-machine", f"pc,accel={acceleration}", "-m", "32M"),
            *("-drive", f"if=ide,format=raw,file={disk}", "-debugcon", f"file:{said}"),
        ]
        process.run(argv, name="the trial guest", environ={"LC_ALL": "C"}, limit_s=limit_s)
        if said.read_bytes() != MESSAGE:
            raise ProgramFailed("the trial guest", "ended without a word")
    return time.monotonic() - began


def _emulated(because: str) -> Probed:
    return Probed(
        acceleration=Acceleration.TCG,
        why=f"emulated (TCG), many times slower than KVM: {because}",
    )
