"""A source machine for the demo: a small Debian that starts by itself, made without starting one.

The disk has an MBR with GRUB and one ext4. Nothing is mounted or attached: the filesystem is
filled as it is made, and the boot loader's parts are put where GRUB's own installer puts them.
"""

import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from rehost.cli.demo_disk import MIB, SECTOR, START, partition_table
from rehost.errors import ProgramFailed
from rehost.system import process

SIZE = 2048 * MIB
SUITE = "bookworm"
MIRROR = "http://deb.debian.org/debian"
PACKAGES = (
    *("systemd-sysv", "udev", "dbus", "kmod", "iproute2", "e2fsprogs", "zstd"),
    *("linux-image-cloud-amd64", "initramfs-tools", "grub2-common", "grub-pc-bin"),
    *("python3", "openssh-server", "curl"),
)
UNWANTED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
LIMIT_S = 1800  # on a busy machine, behind a slow mirror
BOOT_CODE = 440  # bytes of the first sector that are the boot loader's
STEPS = {  # how lines of mmdebstrap's log begin, and what they mean
    "I: running apt-get update": "asking the mirror for packages",
    "I: downloading packages": "downloading the base system",
    "I: extracting archives": "unpacking the base system",
    "I: installing essential": "configuring the base system",
    "I: installing remaining": "installing the kernel, the boot loader, Python and SSH",
    "I: running --customize-hook": "making the filesystem with all of it",
}
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def cache() -> Path:
    """Where images are kept from one demo to the next."""
    return Path(os.environ.get("REHOST_CACHE", "~/.cache/rehost")).expanduser() / "demo"


def build(folder: Path, say: Callable[[str], None]) -> Path:
    """The raw image of the machine, made now unless `folder` has it; `say` hears each step.

    Needs mmdebstrap and a Debian mirror (DEBIAN_MIRROR, or Debian's own), and is for its callers
    to read only. Several may call this at once. Raises ProgramFailed.
    """
    image = _image(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        if not image.exists():
            _make(image, say)
            for other in folder.glob("debian-*.img"):
                if other != image:
                    other.unlink()
    return image


def is_built(folder: Path) -> bool:
    """Whether `build` would take no time."""
    return _image(folder).exists()


def _image(folder: Path) -> Path:
    return folder / f"debian-{_digest()}.img"


def _make(image: Path, say: Callable[[str], None]) -> None:
    with tempfile.TemporaryDirectory(dir=image.parent, prefix="building-") as scratch:
        folder = Path(scratch)
        folder.chmod(0o711)  # without root, another user stands for it in the tree
        disk, boot = folder / "disk.img", folder / "boot"
        boot.mkdir()
        boot.chmod(0o777)
        with disk.open("wb") as new:
            new.truncate(SIZE)
        disk.chmod(0o666)
        _install(folder, disk, boot, say)
        say("putting the boot loader on the disk")
        _write_boot_loader(disk, (boot / "boot.img").read_bytes(), (boot / "core.img").read_bytes())
        disk.chmod(0o644)
        disk.replace(image)


def _install(folder: Path, disk: Path, boot: Path, say: Callable[[str], None]) -> None:
    script = folder / "complete.sh"
    script.write_text(_script())
    script.chmod(0o755)
    environ = {
        "PATH": SYSTEM_PATH,
        "LC_ALL": "C.UTF-8",
        "TMPDIR": str(folder),
        "IMAGE": str(disk),
        "BOOT": str(boot),
        "OFFSET": str(START),
        "BLOCKS": str((SIZE - START) // 1024),
        **{name: os.environ[name] for name in ("http_proxy", "https_proxy") if name in os.environ},
    }
    log = folder / "log"
    with process.running(_mmdebstrap(script), name="mmdebstrap", log=log, environ=environ) as made:
        deadline, said = time.monotonic() + LIMIT_S, 0
        while (status := made.status()) is None:
            said = _say_new(log, said, say)
            if time.monotonic() > deadline:
                raise ProgramFailed("mmdebstrap", f"did not end within {LIMIT_S} s", made.tail())
            time.sleep(0.2)
        if status:
            raise ProgramFailed("mmdebstrap", f"ended with status {status}", made.tail())


def _mmdebstrap(script: Path) -> list[str]:
    return [
        *("mmdebstrap", "--variant=minbase", "--format=null"),
        f"--include={','.join(PACKAGES)}",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in UNWANTED),
        f"--customize-hook={script}",
        *(SUITE, "/dev/null", os.environ.get("DEBIAN_MIRROR", MIRROR)),
    ]


def _say_new(log: Path, said: int, say: Callable[[str], None]) -> int:
    """Say what steps the log has after the first `said`; how many it has now."""
    steps = _steps(log.read_text(errors="replace"))
    for step in steps[said:]:
        say(step)
    return len(steps)


def _steps(log: str) -> list[str]:
    """What its lines mean; a last line that is not yet ended does not count."""
    lines = log.split("\n")[:-1]
    return [step for line in lines for begin, step in STEPS.items() if line.startswith(begin)]


def _write_boot_loader(disk: Path, boot: bytes, core: bytes) -> None:
    """GRUB's first part goes into the first sector, its core right behind: where it looks for it.

    Raises ProgramFailed if that does not fit before the partition.
    """
    if len(core) > START - SECTOR:
        raise ProgramFailed("grub-mkimage", f"made {len(core)} bytes: too much to fit on the disk")
    with disk.open("r+b") as image:
        image.write(boot[:BOOT_CODE] + partition_table(SIZE)[BOOT_CODE:] + core)


def _digest() -> str:
    """Of all that the image is made from, but for what the mirror has today."""
    made_from = (*_mmdebstrap(Path("complete.sh")), _script(), str(SIZE), str(START))
    return hashlib.sha256("\0".join(made_from).encode()).hexdigest()[:12]


def _script() -> str:
    return resources.files("rehost.cli").joinpath("demo_machine.sh").read_text()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let nobody else on this host make the same thing at the same time."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
