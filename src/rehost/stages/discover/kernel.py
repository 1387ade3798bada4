"""The running kernel: how it was built, and which virtio drivers it and its initramfs have."""

import re
from dataclasses import dataclass

from rehost.errors import FileMissing
from rehost.stages.discover.survey import Survey

# Without these a machine finds no disk or no network on KVM. Options are the kernel's.
DRIVERS = {
    "virtio_blk": "CONFIG_VIRTIO_BLK",
    "virtio_net": "CONFIG_VIRTIO_NET",
    "virtio_pci": "CONFIG_VIRTIO_PCI",
    "virtio_scsi": "CONFIG_SCSI_VIRTIO",
}
TRACKING_OPTIONS = ("CONFIG_EVENT_TRACING", "CONFIG_BLK_DEV_IO_TRACE", "CONFIG_BPF_SYSCALL")
WANTED_OPTIONS = rf"^({'|'.join((*DRIVERS.values(), *TRACKING_OPTIONS))})="
MODULE = r"/(virtio_(?:blk|net|pci|scsi))\.ko"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """`options` is None if the machine does not keep its kernel's configuration."""

    release: str
    options: dict[str, str] | None
    built_in: frozenset[str]
    modules: frozenset[str]


def read_kernel(survey: Survey) -> Kernel:
    """Raises HostError."""
    release = survey.text("/proc/sys/kernel/osrelease")
    options = _options(survey, release)
    folder = f"/lib/modules/{release}"
    built_in = _drivers(survey.grep(f"{folder}/modules.builtin", MODULE))
    # A module's line begins with its own path; those that it needs follow a colon.
    modules = _drivers(survey.grep(f"{folder}/modules.dep", rf"^[^:]*{MODULE}"))
    if not built_in | modules:
        built_in = {d for d, option in DRIVERS.items() if (options or {}).get(option) == "y"}
        built_in |= _attached(survey)
    return Kernel(
        release=release,
        options=options,
        built_in=frozenset(built_in),
        modules=frozenset(modules),
    )


def kernel_drivers(survey: Survey, kernel: Kernel) -> tuple[str, ...] | None:
    """The virtio drivers there are; None if nothing tells which are not there."""
    found = kernel.built_in | kernel.modules
    if kernel.options is None and not survey.entries(f"/lib/modules/{kernel.release}"):
        survey.miss("facts.virtio_kernel", f"no modules and no configuration of {kernel.release}")
        return tuple(sorted(found)) or None
    return tuple(sorted(found))


def initramfs_drivers(survey: Survey, kernel: Kernel) -> tuple[str, ...]:
    """The virtio drivers in the running kernel's initramfs, and those it needs not have.

    Raises HostError.
    """
    needed = sorted(kernel.modules - kernel.built_in)
    found: set[str] = set()
    if needed:
        found = _drivers(_packed(survey, kernel.release, [rf"/{name}\.ko" for name in needed]))
    return tuple(sorted(found | kernel.built_in))


def _packed(survey: Survey, release: str, patterns: list[str]) -> tuple[str, ...]:
    machine = survey.text("/etc/machine-id", "")
    paths = (
        f"/boot/initrd.img-{release}",  # Debian
        f"/boot/initramfs-{release}.img",  # Red Hat
        f"/boot/initrd-{release}",  # SUSE
        f"/boot/{machine}/{release}/initrd",  # systemd-boot
        f"/boot/efi/{machine}/{release}/initrd",
    )
    for path in paths:
        try:
            return survey.host.packed(path, patterns)
        except FileMissing:
            continue
    raise FileMissing(f"the initramfs of kernel {release} in /boot")


def _options(survey: Survey, release: str) -> dict[str, str] | None:
    paths = (f"/boot/config-{release}", f"/lib/modules/{release}/config", "/proc/config.gz")
    for path in paths:
        try:
            lines = survey.host.grep(path, WANTED_OPTIONS)
        except FileMissing:
            continue
        pairs = (line.partition("=") for line in lines)
        return {option: value for option, _, value in pairs}
    return None


def _drivers(lines: tuple[str, ...]) -> set[str]:
    return {found[1] for line in lines if (found := re.search(MODULE, line))}


def _attached(survey: Survey) -> set[str]:
    """Drivers at work now."""
    names = (*survey.entries("/sys/bus/virtio/drivers"), *survey.entries("/sys/bus/pci/drivers"))
    return {name.replace("-", "_") for name in names} & DRIVERS.keys()
