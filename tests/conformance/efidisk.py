"""A disk whose one boot loader is at a place of its own, which firmware does not look at."""

import subprocess
from pathlib import Path

NEEDS = ("ovmf", "grub-efi", "grub-mkimage", "mkfs.vfat", "mcopy")
SAYS = b"the loader of its own is here"
FILE = r"\EFI\own\loader.efi"


def write(disk: Path, scratch: Path) -> None:
    """GRUB, which says what it has to say wherever firmware does, and waits."""
    script, loader = scratch / "grub.cfg", scratch / "loader.efi"
    script.write_text(f'echo "{SAYS.decode()}"\nsleep 3600\n')
    target = ("-O", "x86_64-efi", "-p", "/EFI/own")
    run("grub-mkimage", *target, "-c", script, "-o", loader, "echo", "sleep")
    run("mkfs.vfat", disk)
    run("mmd", "-i", disk, "::/EFI", "::/EFI/own")
    run("mcopy", "-i", disk, loader, "::/EFI/own/loader.efi")


def run(*argv: object) -> None:
    subprocess.run([str(word) for word in argv], check=True, capture_output=True)
