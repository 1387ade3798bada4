"""The demo's source machine while it runs: its console, and what its ledger acknowledges."""

import os
import socket
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from rehost.providers.qemu import options
from rehost.providers.qemu.acceleration import Probed
from rehost.providers.qemu.machine import CPU_MODELS
from rehost.system import process
from rehost.system.process import Process

HOST = "10.0.2.2"  # how the machine calls this one, over its user-mode network
MEMORY_MIB = 1024
CPUS = 2
START_S = 30
CUT = "cut"
RECORDS = "/var/lib/ledger/records"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A line of the ledger: its number, and the boot of the machine that wrote it."""

    number: int
    boot: str

    def __str__(self) -> str:
        return f"{self.number} {self.boot}"


@dataclass(slots=True)
class Witness:
    """What the ledger acknowledged, in order, with a mark where each cut was about to begin."""

    _said: list[str] = field(default_factory=list)

    def hear(self, line: str) -> None:
        self._said.append(line)

    @property
    def last(self) -> Record | None:
        return _last(self._said)

    @property
    def before_cut(self) -> Record | None:
        """The last record that was acknowledged before the last cut began."""
        marks = [place for place, line in enumerate(self._said) if line == CUT]
        return _last(self._said[: marks[-1]]) if marks else None


def _last(said: Sequence[str]) -> Record | None:
    for line in reversed(said):
        number, _, boot = line.partition(" ")
        if number.isdecimal() and boot:
            return Record(number=int(number), boot=boot)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    qemu: Process
    console: Path  # a socket
    witness: Witness


@contextmanager
def running(image: Path, folder: Path, probed: Probed) -> Iterator[Source]:
    """The machine of this image, which is not written; `folder` gets what the machine writes."""
    overlay, console = folder / "disk.qcow2", folder / "console.sock"
    _make_overlay(image, overlay)
    witness = Witness()
    with _answering(folder / "ledger.sock", witness) as ledger:
        argv = _command(overlay, console, ledger, probed)
        environ = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TMPDIR": str(folder)}
        log = folder / "qemu.log"
        with process.running(argv, name="the source machine", log=log, environ=environ) as qemu:
            qemu.wait_until(lambda: _listens(console), limit_s=START_S)
            yield Source(qemu=qemu, console=console, witness=witness)


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(str(path)) == 0


def _make_overlay(image: Path, overlay: Path) -> None:
    argv = [options.qemu_img(), "create", "-q", "-f", "qcow2", "-F", "raw", "-b"]
    argv += [str(image.absolute()), str(overlay)]
    process.run(argv, name="qemu-img", environ={"LC_ALL": "C", "PATH": os.defpath})


def _command(overlay: Path, console: Path, ledger: Path, probed: Probed) -> list[str]:
    return [
        *(options.qemu(), "-nodefaults", "-no-user-config", "-display", "none"),
        *("-name", "old-server", "-uuid", str(uuid.uuid4())),
        *("-machine", f"pc,accel={probed.acceleration}", "-cpu", CPU_MODELS[probed.acceleration]),
        *("-smp", str(CPUS), "-m", f"{MEMORY_MIB}M"),
        *("-drive", f"if=none,id=disk,format=qcow2,discard=unmap,file={_escaped(overlay)}"),
        *("-device", "virtio-blk-pci,drive=disk,serial=OLD-SERVER-DISK"),
        *("-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="),
        *("-object", "rng-random,id=rng,filename=/dev/urandom"),
        *("-device", "virtio-rng-pci,rng=rng"),
        *("-chardev", f"socket,id=console,path={_escaped(console)},server=on,wait=off"),
        *("-serial", "chardev:console"),
        *("-chardev", f"socket,id=ledger,path={_escaped(ledger)}"),
        *("-serial", "chardev:ledger"),
    ]


def _escaped(path: Path) -> str:
    """As a value in one of QEMU's options, which are joined by commas."""
    return str(path).replace(",", ",,")


@contextmanager
def _answering(path: Path, witness: Witness) -> Iterator[Path]:
    """A socket for the machine's second serial port, whose lines the witness hears."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=_listen, args=(listener, witness), daemon=True)
        thread.start()
        yield path


def _listen(listener: socket.socket, witness: Witness) -> None:
    with suppress(OSError):  # the demo ends
        connected, _ = listener.accept()
        with connected, connected.makefile(encoding="ascii", errors="replace") as lines:
            for line in lines:
                witness.hear(line.strip())
