"""What the demo of a whole machine needs of this host, and how it comes by it."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from rehost.cli.demo_service import step
from rehost.demo_errors import PackagesMissing
from rehost.errors import CommandMissing
from rehost.system import process

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# A program or file, and the package of Debian and Ubuntu that it is in.
NEEDED = (
    ("mmdebstrap", "mmdebstrap"),
    (KEYRING, "debian-archive-keyring"),
    ("mkfs.ext4", "e2fsprogs"),
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("qemu-img", "qemu-utils"),
)
NEEDED_WITHOUT_ROOT = (("newuidmap", "uidmap"),)  # to be root in the tree of a new system
ADMIN_PATH = "/usr/local/sbin:/usr/sbin:/sbin"  # not in everybody's PATH
INSTALL_S = 1800
APT = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}


def ensure(out: Console) -> None:
    """Have all of it installed: by apt as root, and saying so. Raises PackagesMissing."""
    packages = missing()
    if not packages:
        return
    if os.geteuid() != 0:
        raise PackagesMissing(packages)
    if shutil.which("apt-get") is None:
        raise CommandMissing("apt-get, with which the demo would install " + " ".join(packages))
    with step(out, f"installing with apt: {', '.join(packages)}"):
        _apt("update", "-qq")
        _apt("install", "-qq", "-y", "--no-install-recommends", *packages)


def missing() -> Sequence[str]:
    """The packages of what is not there."""
    needed = NEEDED if os.geteuid() == 0 else (*NEEDED, *NEEDED_WITHOUT_ROOT)
    return [package for thing, package in needed if not _is_here(thing)]


def _is_here(thing: str) -> bool:
    if thing.startswith("/"):
        return Path(thing).exists()
    return shutil.which(thing, path=f"{os.environ.get('PATH', '')}:{ADMIN_PATH}") is not None


def _apt(command: str, *words: str) -> None:
    process.run(
        ["apt-get", "-o", "DPkg::Lock::Timeout=300", command, *words],
        name=f"apt-get {command}",
        environ={**os.environ, **APT},
        limit_s=INSTALL_S,
    )
