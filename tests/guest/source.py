"""Source machines: installed once, kept in the cache of tests/machines/build, run from overlays."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rehost.cli.demo_console import Console, connected
from rehost.system import process
from rehost.system.process import Process
from tests.machines.build import hardware
from tests.machines.build.guest import disk_arguments, disk_image, hardware_arguments
from tests.machines.build.hardware import Machine
from tests.machines.build.record import installed

HOST = "10.0.2.2"  # how a guest calls this machine, over the user-mode network
START_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """`folder` belongs to the cache and is never written."""

    machine: Machine
    folder: Path

    @property
    def images(self) -> tuple[Path, ...]:
        return tuple(disk_image(self.folder, i) for i in range(len(self.machine.disks)))

    @property
    def firmware_variables(self) -> Path:
        return self.folder / "efivars.fd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    machine: Machine
    qemu: Process
    console: Console


def install(name: str) -> Installed:
    """A machine of SOURCES; installing it takes one to four minutes the first time."""
    machine = next(m for m in hardware.SOURCES if m.name == name)
    return Installed(machine=machine, folder=installed(machine))


@contextmanager
def running(source: Installed, folder: Path) -> Iterator[Source]:
    """The machine, started from overlays in `folder`, which keeps what it wrote."""
    for image in source.images:
        overlay = _overlay(image, folder)
        if not overlay.exists():
            _make_overlay(image, overlay)
    variables = folder / "efivars.fd"
    if source.firmware_variables.exists() and not variables.exists():
        shutil.copyfile(source.firmware_variables, variables)
    with process.running(
        _command(source, folder),
        name=source.machine.name,
        log=folder / "qemu.log",
        environ={"PATH": "/usr/bin:/bin"},
    ) as qemu:
        socket = folder / "console.sock"
        qemu.wait_until(socket.exists, limit_s=START_S)
        with connected(socket) as console:
            yield Source(machine=source.machine, qemu=qemu, console=console)


def _command(source: Installed, folder: Path) -> list[str]:
    console = f"socket,id=console,path={folder}/console.sock,server=on,wait=on"
    command = hardware_arguments(source.machine, folder / "efivars.fd")
    command += ["-chardev", f"{console},logfile={folder}/console.log", "-serial", "chardev:console"]
    for number, (image, disk) in enumerate(zip(source.images, source.machine.disks, strict=True)):
        command += disk_arguments(number, disk, _overlay(image, folder), kept=True)
    return command


def _overlay(image: Path, folder: Path) -> Path:
    return folder / image.with_suffix(".qcow2").name


def _make_overlay(image: Path, overlay: Path) -> None:
    argv = ["qemu-img", "create", "-qf", "qcow2", "-b", str(image), "-F", "raw", str(overlay)]
    subprocess.run(argv, check=True)
