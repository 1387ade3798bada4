"""virt-v2v-in-place: gives a system an initramfs, or Windows drivers, for virtio disks.

Where it changes what else it knows of (tools of other hypervisors), its log says so.
"""

import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from string import ascii_lowercase
from xml.sax.saxutils import quoteattr

from rehost.convert_errors import (
    ConversionStopped,
    ConversionTimedOut,
    ConversionToolMissing,
    VirtV2vFailed,
)
from rehost.providers.base import TargetDisk
from rehost.stages.convert.guest import environment
from rehost.system import process
from rehost.system.process import Process

PROGRAM = "virt-v2v-in-place"
LIMIT_S = 3600.0
EVERY_S = 0.5
# What it prints of its other steps is the same each time.
STEP = re.compile(r"^\[\s*[\d.]+\] (Converting .+)$", re.MULTILINE)
REMARK = re.compile(rf"^{PROGRAM}: (.+)$", re.MULTILINE)
ERROR = re.compile(rf"^{PROGRAM}: error: (.+?)(?:\n\n|\Z)", re.MULTILINE | re.DOTALL)


def find() -> str:
    """Raises ConversionToolMissing."""
    program = shutil.which(PROGRAM)
    if not program:
        raise ConversionToolMissing(f"{PROGRAM} is not installed", "virt-v2v")
    return program


def rebuild(
    disks: Sequence[TargetDisk],
    root: str,
    *,
    accelerated: bool,
    log: Path,
    stopped: Callable[[], bool],
) -> tuple[str, ...]:
    """Minutes, many without hardware virtualisation. `root` is libguestfs's name of the system's.

    Raises ConversionToolMissing, ConversionStopped, ConversionTimedOut, VirtV2vFailed.
    """
    program = find()
    description, output = log.with_name(f"{log.name}.xml"), log.with_name(f"{log.name}.v2v")
    description.write_text(domain(disks))
    began = log.stat().st_size if log.exists() else 0
    argv = [program, "-i", "libvirtxml", str(description), "--root", root]
    try:
        running = process.start(
            argv,
            name=PROGRAM,
            output=output,
            log=log,
            environ=environment(accelerated=accelerated),
        )
        try:
            status = _wait(running, stopped)
        finally:
            running.stop()
        warned = log.read_bytes()[began:].decode(errors="replace")
        return tuple(_done(output.read_text(errors="replace"), warned, status))
    finally:
        _keep(output, log)
        description.unlink(missing_ok=True)


def domain(disks: Sequence[TargetDisk]) -> str:
    """The machine, as far as virt-v2v wants to know it, in libvirt's words."""
    return (
        "<domain type='kvm'><name>target</name><memory unit='MiB'>1024</memory><vcpu>1</vcpu>"
        "<os><type arch='x86_64'>hvm</type></os><devices>"
        + "".join(_disk(number, disk) for number, disk in enumerate(disks))
        + "</devices></domain>"
    )


def _disk(number: int, disk: TargetDisk) -> str:
    kind, source = ("block", "dev") if disk.path.is_block_device() else ("file", "file")
    return (
        f"<disk type='{kind}' device='disk'><driver name='qemu' type='{disk.format}'/>"
        f"<source {source}={quoteattr(str(disk.path))}/>"
        f"<target dev='sd{_letters(number)}' bus='scsi'/></disk>"
    )


def _letters(number: int) -> str:
    """a to z, then aa to zz: as the kernel, and libguestfs, count disks."""
    before, last = divmod(number, len(ascii_lowercase))
    return (_letters(before - 1) if before else "") + ascii_lowercase[last]


def _wait(running: Process, stopped: Callable[[], bool]) -> int:
    deadline = time.monotonic() + LIMIT_S
    while (status := running.status()) is None:
        if stopped():
            raise ConversionStopped
        if time.monotonic() > deadline:
            raise ConversionTimedOut(PROGRAM, LIMIT_S)
        time.sleep(EVERY_S)
    return status


def _done(said: str, warned: str, status: int) -> Iterator[str]:
    if status:
        errors = ERROR.findall(warned + "\n" + said)
        raise VirtV2vFailed(" ".join(errors[-1].split()) if errors else f"exit status {status}")
    for sentence in (*STEP.findall(said), *REMARK.findall(said), *REMARK.findall(warned)):
        yield f"{PROGRAM}: {sentence}"


def _keep(output: Path, log: Path) -> None:
    if output.exists():
        with log.open("a") as kept:
            kept.write(output.read_text(errors="replace"))
        output.unlink()
