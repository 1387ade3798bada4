"""Whether guests run with hardware virtualisation: found out by running one.

/dev/kvm can be there and open, and a guest hang all the same: under some hypervisors, in some
containers.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from rehost.errors import ProgramFailed
from rehost.providers.qemu.options import Acceleration
from rehost.system import process

TIME_LIMIT_S = 10.0  # emulated, on a host with a load of 17 on two CPUs, it took 1.9 s
MESSAGE = b"runs"
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
        run_guest(program, Acceleration.KVM)
    except ProgramFailed as e:
        return _emulated(f"this host has {KVM}, but a guest that was tried with it failed: {e}")
    return Probed(acceleration=Acceleration.KVM, why="hardware virtualisation (KVM)")


def run_guest(program: str, acceleration: Acceleration, *, limit_s: float = TIME_LIMIT_S) -> None:
    """Run a guest of one boot sector to its end. Raises ProgramFailed."""
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


def _emulated(because: str) -> Probed:
    return Probed(
        acceleration=Acceleration.TCG,
        why=f"emulated (TCG), many times slower than KVM: {because}",
    )
