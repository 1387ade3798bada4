"""How the machine boots: firmware, boot loader, Secure Boot, kernel lockdown."""

import re
from dataclasses import dataclass

from rehost.errors import FileMissing
from rehost.model.server import Firmware
from rehost.stages.discover import boot_entry
from rehost.stages.discover.kernel import (
    Kernel,
    initramfs_drivers,
    kernel_drivers,
    read_kernel,
)
from rehost.stages.discover.survey import Survey

EFI = "/sys/firmware/efi"
EFI_GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
EFI_LOADER = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
LOADER_INFO = f"{EFI}/efivars/LoaderInfo-{EFI_LOADER}"
ATTRIBUTES = 4  # bytes before the value of an EFI variable

# In this order: a machine that has GRUB's configuration boots with it, whatever else is left over.
LOADERS = (
    ("GRUB", "/boot/grub2/grub.cfg"),
    ("GRUB", "/boot/grub/grub.cfg"),
    ("GRUB", "/boot/grub/menu.lst"),
    ("GRUB", "/boot/grub/grub.conf"),
    ("SYSTEMD-BOOT", "/boot/loader/loader.conf"),
    ("SYSTEMD-BOOT", "/boot/efi/loader/loader.conf"),
    ("SYSTEMD-BOOT", "/efi/loader/loader.conf"),
    ("EXTLINUX", "/boot/extlinux/extlinux.conf"),
    ("SYSLINUX", "/boot/syslinux/syslinux.cfg"),
    ("LILO", "/etc/lilo.conf"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """As in Report and Facts of the model: None is not known."""

    kernel: Kernel | None
    firmware: Firmware | None
    boot_file: str | None
    secure_boot: bool | None
    lockdown: str | None
    virtio_kernel: tuple[str, ...] | None
    virtio_initramfs: tuple[str, ...] | None


def find_boot(survey: Survey) -> Boot:
    kernel = survey.attempt("kernel_version", lambda: read_kernel(survey))
    firmware = survey.attempt("firmware", lambda: find_firmware(survey))
    return Boot(
        kernel=kernel,
        firmware=firmware,
        boot_file=survey.attempt("facts.boot_file", lambda: find_boot_file(survey, firmware)),
        secure_boot=survey.attempt("facts.secure_boot", lambda: find_secure_boot(survey, firmware)),
        lockdown=survey.attempt("facts.lockdown", lambda: find_lockdown(survey)),
        virtio_kernel=survey.attempt("facts.virtio_kernel", lambda: kernel_drivers(survey, kernel))
        if kernel
        else None,
        virtio_initramfs=survey.attempt(
            "facts.virtio_initramfs", lambda: initramfs_drivers(survey, kernel)
        )
        if kernel
        else None,
    )


def find_firmware(survey: Survey) -> Firmware:
    """Raises HostError if /sys cannot be read."""
    return Firmware.UEFI if "efi" in survey.host.entries("/sys/firmware") else Firmware.BIOS


def find_boot_loader(survey: Survey, *, grub_in_mbr: bool) -> str:
    """The boot loader, "" if the machine has none of its own. Raises HostError."""
    for name, path in LOADERS:
        if survey.exists(path):
            return name
    if grub_in_mbr or _grub_on_esp(survey):
        return "GRUB"
    info = survey.text(LOADER_INFO, "")
    return "SYSTEMD-BOOT" if "systemd-boot" in info.replace("\0", "") else ""


def find_boot_file(survey: Survey, firmware: Firmware | None) -> str | None:
    """The loader that UEFI firmware started from an entry of its own, None if it needed none.

    Raises HostError if the firmware's variables are not shown.
    """
    if firmware is not Firmware.UEFI:
        return None
    number = int.from_bytes(_variable(survey, "BootCurrent")[:2], "little")
    return boot_entry.loader(_variable(survey, f"Boot{number:04X}"))


def _variable(survey: Survey, name: str) -> bytes:
    return survey.host.read(f"{EFI}/efivars/{name}-{EFI_GLOBAL}")[ATTRIBUTES:]


def find_secure_boot(survey: Survey, firmware: Firmware | None) -> bool | None:
    """Raises HostError if the firmware's variables are not shown."""
    if firmware is not Firmware.UEFI:
        return None if firmware is None else False
    if not survey.entries(f"{EFI}/efivars"):
        raise FileMissing(f"{EFI}/efivars")
    try:
        value = survey.host.read(f"{EFI}/efivars/SecureBoot-{EFI_GLOBAL}")
    except FileMissing:
        return False
    return value[ATTRIBUTES : ATTRIBUTES + 1] == b"\1"


def find_lockdown(survey: Survey) -> str:
    """Raises HostError if the kernel's security files are not shown.

    A kernel without lockdown has the folder and not the file.
    """
    try:
        modes = survey.text("/sys/kernel/security/lockdown")
    except FileMissing:
        if survey.entries("/sys/kernel/security"):
            return "none"
        raise
    chosen = re.search(r"\[(\w+)\]", modes)
    return chosen[1] if chosen else "none"


def _grub_on_esp(survey: Survey) -> bool:
    folders = survey.entries("/boot/efi/EFI")
    return any(survey.exists(f"/boot/efi/EFI/{name}/grub.cfg") for name in folders)
