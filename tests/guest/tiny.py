"""A system of a kernel and one program: it starts by UEFI within seconds and obeys."""

import shutil
import subprocess
from pathlib import Path

from rehost.providers.base import DiskSpec
from tests.conformance import efidisk
from tests.guest import kernels

NEEDS = ("apt-get", "dpkg-deb", "busybox", "cpio", "qemu-system-x86_64", "qemu-img", *efidisk.NEEDS)
DISK = DiskSpec(name="/dev/vda", size=64 << 20)
MEMORY = 512 << 20  # bytes
FILE = r"\EFI\tiny\loader.efi"
# What a network card needs, in this order.
MODULES = ("virtio", "virtio_ring", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci",
           "failover", "net_failover", "virtio_net")  # fmt: skip
START = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in {modules}; do insmod /$module.ko; done
ip link set lo up
ip link set eth0 up
. /script
echo the script has ended
while sleep 1000; do :; done
"""
LEASED = """#!/bin/sh
[ "$1" = bound ] || exit 0
ip address add $ip/$mask dev eth0
ip route add default via $router
"""
GRUB = """linux /vmlinuz console=ttyS0 quiet panic=-1
initrd /initrd
boot
"""


def write(disk: Path, scratch: Path, script: str) -> None:
    """A disk that starts it; `script` is of busybox's shell, in which eth0 is up."""
    kernel = kernels.fetch("bookworm")
    tree, loader = scratch / "tree", scratch / "loader.efi"
    for name in ("bin", "proc", "sys", "dev", "etc", "www"):
        (tree / name).mkdir(parents=True)
    shutil.copy(str(shutil.which("busybox")), tree / "bin/busybox")
    for name in MODULES:
        [module] = kernel.glob(f"**/{name}.ko")
        shutil.copy(module, tree)
    (tree / "script").write_text(script)
    for path, text in (("init", START.format(modules=" ".join(MODULES))), ("leased", LEASED)):
        (tree / path).write_text(text)
        (tree / path).chmod(0o755)
    _pack(tree, scratch / "initrd")
    (scratch / "grub.cfg").write_text(GRUB)
    target = ("-O", "x86_64-efi", "-p", "/EFI/tiny", "-c", scratch / "grub.cfg")
    efidisk.run("grub-mkimage", *target, "-o", loader, "fat", "linux", "boot")
    efidisk.run("mkfs.vfat", disk)
    efidisk.run("mmd", "-i", disk, "::/EFI", "::/EFI/tiny")
    [vmlinuz] = (kernel / "boot").glob("vmlinuz-*")
    for source, name in (
        (loader, "EFI/tiny/loader.efi"),
        (vmlinuz, "vmlinuz"),
        (scratch / "initrd", "initrd"),
    ):
        efidisk.run("mcopy", "-i", disk, source, f"::/{name}")


def _pack(tree: Path, archive: Path) -> None:
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    with archive.open("wb") as file:
        subprocess.run(
            ["cpio", "--quiet", "-o", "-H", "newc"],
            check=True,
            input=names.encode(),
            stdout=file,
            cwd=tree,
        )
