"""What the administrator decides about machines on this host, and what the host has for them."""

import shutil
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rehost.model.server import Firmware
from rehost.provider_errors import BadTargetSpec, ProgramMissing

# RHEL and its kin install it outside PATH, under another name.
QEMU = ("qemu-system-x86_64", "/usr/libexec/qemu-kvm")
QEMU_PACKAGES = "qemu-system-x86 (Debian, Ubuntu, SUSE) or qemu-kvm (RHEL, Fedora)"
OVMF_PACKAGES = "ovmf (Debian, Ubuntu), edk2-ovmf (RHEL, Fedora) or qemu-ovmf-x86_64 (SUSE)"


class Chipset(StrEnum):
    Q35 = "q35"
    PC = "pc"  # for systems too old to know PCI Express


class Acceleration(StrEnum):
    AUTO = "auto"  # KVM if a guest really runs with it
    KVM = "kvm"
    TCG = "tcg"


@dataclass(frozen=True, slots=True, kw_only=True)
class QemuOptions:
    """`bridge` is the host's bridge that machines join; "": user-mode network behind the host.

    `grace_s` is how long a guest may take to shut down before it is turned off.
    """

    chipset: Chipset = Chipset.Q35
    acceleration: Acceleration = Acceleration.AUTO
    bridge: str = ""
    grace_s: float = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Ovmf:
    """`variables` is the empty store that each machine gets a copy of."""

    code: Path
    variables: Path


OVMF = (
    Ovmf(
        code=Path("/usr/share/OVMF/OVMF_CODE_4M.fd"),
        variables=Path("/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ),
    Ovmf(code=Path("/usr/share/OVMF/OVMF_CODE.fd"), variables=Path("/usr/share/OVMF/OVMF_VARS.fd")),
    Ovmf(
        code=Path("/usr/share/edk2/ovmf/OVMF_CODE.fd"),
        variables=Path("/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ),
    Ovmf(
        code=Path("/usr/share/qemu/ovmf-x86_64-code.bin"),
        variables=Path("/usr/share/qemu/ovmf-x86_64-vars.bin"),
    ),
)


def qemu() -> str:
    """The path of QEMU. Raises ProgramMissing."""
    for name in QEMU:
        if found := shutil.which(name):
            return found
    raise ProgramMissing(QEMU[0], QEMU_PACKAGES)


def qemu_img() -> str:
    """Raises ProgramMissing."""
    if found := shutil.which("qemu-img"):
        return found
    raise ProgramMissing("qemu-img", "qemu-utils (Debian, Ubuntu) or qemu-img (RHEL, Fedora)")


def ovmf() -> Ovmf:
    """The UEFI firmware of this host. Raises ProgramMissing."""
    for firmware in OVMF:
        if firmware.code.exists() and firmware.variables.exists():
            return firmware
    raise ProgramMissing("OVMF, the UEFI firmware for machines,", OVMF_PACKAGES)


def insist(firmware: Firmware) -> None:
    """Raises ProgramMissing if anything is that a machine with this firmware needs."""
    qemu()
    qemu_img()
    if firmware is Firmware.UEFI:
        ovmf()


def judge_bridge(name: str) -> None:
    """Raises BadTargetSpec if the host has no such bridge."""
    if "/" in name or not Path("/sys/class/net", name, "bridge").is_dir():
        raise BadTargetSpec(f"this host has no bridge {name!r} for target servers to join")
