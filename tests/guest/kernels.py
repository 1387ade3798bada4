"""Debian's kernels, each started in QEMU with this machine's Python and our code as its system.

The system is an ext4 image on an NVMe disk, which all of them can read without an initramfs.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

MIRROR = "http://deb.debian.org/debian"
SUITES = ("bullseye", "bookworm", "trixie")
CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "rehost-tests" / "kernels"
ROOT = Path(__file__).parents[2]
PYTHON = "/usr/bin/python3"
PROGRAMS = ("mkfs.ext4", "mkfs.vfat", "mkswap", "swapon", "blkdiscard", "e2fsck", "mount", "umount",
            "modprobe", "touch", "true", "cat")  # fmt: skip
MODULES = ("virtio_pci", "virtio_blk", "loop", "vfat", "nls_cp437", "nls_ascii", "nls_utf8", "brd",
           "nls_iso8859-1")  # fmt: skip
ANSWER = "REHOST "
MIB = 1 << 20


class GuestFailed(Exception):
    """It did not start, or said nothing; the message ends with what it printed."""


def fetch(suite: str) -> Path:
    """A folder with a suite's kernel for clouds, unpacked; downloaded once, with apt."""
    folder = CACHE / suite
    if (folder / "boot").is_dir():
        return folder
    scratch = CACHE / f"{suite}.new"
    shutil.rmtree(scratch, ignore_errors=True)
    for name in ("lists/partial", "archives/partial"):
        (scratch / name).mkdir(parents=True)
    keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
    (scratch / "sources.list").write_text(f"deb [signed-by={keys}] {MIRROR} {suite} main\n")
    (scratch / "status").touch()
    options = {
        "Dir::Etc::sourcelist": scratch / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": scratch / "lists",
        "Dir::State::status": scratch / "status",
        "Dir::Cache": scratch,
        "APT::Sandbox::User": "root",
    }
    given = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    _run("apt-get", *given, "-qq", "update")
    depends = _run("apt-cache", *given, "depends", "linux-image-cloud-amd64")
    found = re.search(r"Depends: (linux-image-\d\S*)", depends)
    if not found:
        raise GuestFailed(f"{suite} has no kernel for clouds: {depends}")
    _run("apt-get", *given, "download", found[1], cwd=scratch)
    [package] = scratch.glob("*.deb")
    _run("dpkg-deb", "--extract", package, scratch / "unpacked")
    (scratch / "unpacked").rename(folder)
    shutil.rmtree(scratch)
    return folder


def run_inside(
    suite: str, script: Path, work: Path, disks: Iterable[str], *, limit_s: int = 900
) -> Mapping[str, Any]:
    """What `script`, the first process of a guest, prints as JSON objects after ANSWER, merged.

    `disks` are arguments of QEMU. The system's own disk is /dev/nvme0n1, and is thrown away.
    """
    kernel = fetch(suite)
    image = work / f"{suite}-system.img"
    _make_system(kernel, script, work / f"{suite}-system", image)
    [vmlinuz] = (kernel / "boot").glob("vmlinuz-*")
    console = work / f"{suite}-console.log"
    append = f"root=/dev/nvme0n1 rw console=ttyS0 quiet panic=-1 init={PYTHON} -- /init.py"
    command = [
        *("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-machine", "q35", "-cpu", "max"),
        *("-m", "1024", "-smp", "2", "-nodefaults", "-display", "none", "-no-reboot"),
        *("-serial", f"file:{console}", "-kernel", str(vmlinuz), "-append", append),
        *("-drive", f"if=none,id=system,format=raw,cache=unsafe,file={image}"),
        *("-device", "nvme,drive=system,serial=system"),
        *disks,
    ]
    try:
        subprocess.run(command, check=True, timeout=limit_s, capture_output=True)
    except subprocess.CalledProcessError as e:
        raise GuestFailed(e.stderr.decode()) from e
    except subprocess.TimeoutExpired as e:
        said = console.read_text(errors="replace")[-3000:]
        raise GuestFailed(f"not ready after {limit_s} s: {said}") from e
    lines = console.read_text(errors="replace").splitlines()
    answers = [line.partition(ANSWER)[2] for line in lines if ANSWER in line]
    if not answers:
        raise GuestFailed("\n".join(lines[-40:]))
    return {key: value for line in answers for key, value in json.loads(line).items()}


def _make_system(kernel: Path, script: Path, folder: Path, image: Path) -> None:
    for name in ("proc", "sys", "dev", "tmp", "mnt", "run", "etc", "root"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for link in ("bin", "sbin", "lib", "lib64"):
        (folder / "usr" / link).mkdir(parents=True, exist_ok=True)
        (folder / link).symlink_to(f"usr/{link}")
    programs = [path for name in PROGRAMS if (path := shutil.which(name))]
    version = f"python{_run(PYTHON, '-c', 'import sys; print(*sys.version_info[:2], sep=chr(46))')}"
    library = Path("/usr/lib") / version.strip()
    leave_out = shutil.ignore_patterns("__pycache__", "test", "idlelib", "tkinter", "lib2to3")
    shutil.copytree(library, folder / library.relative_to("/"), ignore=leave_out)
    for path in [PYTHON, *programs]:
        _copy(Path(path), folder)
    for path in {
        lib
        for binary in [PYTHON, *programs, *library.glob("lib-dynload/*.so")]
        for lib in re.findall(r"(/\S+) \(0x", _run("ldd", binary))
    }:
        _copy(Path(path), folder)
    _copy_modules(kernel, folder)
    for source in ("src/rehost", "tests/blockdev", "tests/guest"):
        shutil.copytree(ROOT / source, folder / "code" / source, ignore=leave_out)
    shutil.copy(script, folder / "init.py")
    with image.open("wb") as file:
        file.truncate(400 * MIB)
    _run("mkfs.ext4", "-q", "-d", folder, image)


def _copy_modules(kernel: Path, folder: Path) -> None:
    [modules] = (kernel / "lib/modules").glob("*") if (kernel / "lib").is_dir() else (
        kernel / "usr/lib/modules"
    ).glob("*")  # fmt: skip
    to = folder / "usr/lib/modules" / modules.name
    wanted = ("drivers/virtio", "drivers/block", "fs/fat", "fs/nls")
    for part in wanted:
        if (modules / "kernel" / part).is_dir():
            shutil.copytree(modules / "kernel" / part, to / "kernel" / part)
    for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        shutil.copy(modules / name, to / name)
    _run("depmod", "-b", folder / "usr", modules.name)


def _copy(path: Path, folder: Path) -> None:
    """As the same path, where /bin, /sbin and /lib are in /usr."""
    parts = path.parts[1:] if path.parts[1] == "usr" else ("usr", *path.parts[1:])
    target = folder.joinpath(*parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        shutil.copy(path.resolve(), target)


def _run(*argv: object, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [str(a) for a in argv], check=False, capture_output=True, text=True, cwd=cwd
    )
    if done.returncode:
        raise GuestFailed(f"{argv[0]}: {done.stdout}{done.stderr}")
    return done.stdout
