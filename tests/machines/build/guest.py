"""Run one script inside a QEMU guest, as root, with files going in and out over loopback HTTP."""

import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.machines.build.hardware import Disk, Machine, Nic

OVMF = Path("/usr/share/OVMF")


class GuestFailed(Exception):
    """The guest did not come up, did not finish in time, or its script failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """What to start instead of the machine's own boot loader."""

    vmlinuz: Path
    initrd: Path
    root: Path  # ext4 image, attached as one more disk; never written


@dataclass(slots=True, kw_only=True)
class Exchange:
    """Files offered to the guest by name, and files it sent back."""

    offered: dict[str, bytes]
    received: dict[str, bytes] = field(default_factory=dict)


def run_in_guest(
    machine: Machine,
    folder: Path,
    exchange: Exchange,
    *,
    kernel: Kernel | None = None,
    timeout_s: int = 1200,
) -> None:
    """Boot `machine`, run the offered `run.sh` in it, wait until it is off.

    With `kernel` the disks in `folder` are written; without, they are left as they are.
    """
    with tempfile.TemporaryDirectory(dir=folder) as scratch, serving(exchange) as port:
        firmware_variables = folder / "efivars.fd"
        if not kernel and firmware_variables.exists():
            copy = Path(scratch, "efivars.fd")
            copy.write_bytes(firmware_variables.read_bytes())
            firmware_variables = copy
        command = qemu_command(machine, folder, firmware_variables, port, kernel)
        try:
            subprocess.run(command, check=True, timeout=timeout_s, env={"TMPDIR": scratch})
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as e:
            raise GuestFailed(f"{machine.name}: {e}; see {folder}/console.log") from e
    if exchange.received.get("run.status", b"").strip() != b"0":
        log = exchange.received.get("run.log", b"no log; see console.log").decode()
        raise GuestFailed(f"{machine.name}: run.sh failed:\n{log[-4000:]}")


def qemu_command(
    machine: Machine, folder: Path, firmware_variables: Path, port: int, kernel: Kernel | None
) -> list[str]:
    command = [*hardware_arguments(machine, firmware_variables), "-no-reboot"]
    command += ["-serial", f"file:{folder}/console.log"]
    command += ["-fw_cfg", f"name=opt/rehost/url,string=http://{machine.nics[0].host}:{port}"]
    for number, disk in enumerate(machine.disks):
        command += disk_arguments(number, disk, disk_image(folder, number), kept=bool(kernel))
    if machine.cdrom:
        command += ["-drive", f"if=none,id=cd,media=cdrom,readonly=on,file={folder}/cd.iso"]
        command += ["-device", "scsi-cd,drive=cd,bus=scsi.0"]
    if kernel:
        command += ["-kernel", str(kernel.vmlinuz), "-initrd", str(kernel.initrd)]
        command += ["-append", "root=LABEL=base rw console=ttyS0"]
        command += disk_arguments(99, Disk(serial="installer", size=0), kernel.root, kept=False)
    return command


def hardware_arguments(machine: Machine, firmware_variables: Path) -> list[str]:
    """All of the machine but its disks and its serial port."""
    uefi = machine.firmware == "uefi"
    command = ["/usr/bin/qemu-system-x86_64", "-nodefaults", "-display", "none"]
    # Not KVM: a recording must not depend on the CPU of whoever makes it.
    command += ["-accel", "tcg,thread=multi", "-machine", "q35" if uefi else "pc"]
    command += ["-name", machine.name, "-uuid", machine.uuid, "-cpu", machine.cpu]
    command += ["-smp", str(machine.cpus), "-m", str(machine.memory >> 20)]
    for strings in machine.smbios:
        command += ["-smbios", strings]
    if uefi:
        code = f"if=pflash,format=raw,readonly=on,file={OVMF}/OVMF_CODE_4M.fd"
        command += ["-drive", code]
        command += ["-drive", f"if=pflash,format=raw,file={firmware_variables}"]
    for number, nic in enumerate(machine.nics):
        command += nic_arguments(number, nic)
    if machine.cdrom or any(disk.bus == "scsi" for disk in machine.disks):
        command += ["-device", "virtio-scsi-pci,id=scsi"]
    return command


def disk_image(folder: Path, number: int) -> Path:
    return folder / f"disk{number}.img"


def disk_arguments(number: int, disk: Disk, image: Path, *, kept: bool) -> list[str]:
    drive = f"if=none,id=disk{number},format={image_format(image)},file={image},discard=unmap"
    cache = "cache=unsafe" if kept else "snapshot=on"
    device = {
        "virtio": "virtio-blk-pci",
        "scsi": "scsi-hd,bus=scsi.0",
        "nvme": "nvme",
        "ide": "ide-hd",
    }[disk.bus]
    return [
        *("-drive", f"{drive},{cache}"),
        # 0 is a kernel's that QEMU loads itself.
        *("-device", f"{device},drive=disk{number},serial={disk.serial},bootindex={number + 1}"),
    ]


def image_format(image: Path) -> str:
    return "qcow2" if image.suffix == ".qcow2" else "raw"


def nic_arguments(number: int, nic: Nic) -> list[str]:
    restrict = "on" if nic.isolated else "off"
    network = f"user,id=net{number},net={nic.network},host={nic.host},restrict={restrict}"
    network += f",ipv6-net={nic.network6}" if nic.network6 else ",ipv6=off"
    return [
        *("-netdev", network),
        *("-device", f"virtio-net-pci,netdev=net{number},mac={nic.mac}"),
    ]


@contextmanager
def serving(exchange: Exchange) -> Iterator[int]:
    """Serve `exchange` on a loopback port; the guest reaches it as its user-mode network's host."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = exchange.offered.get(self.path.removeprefix("/"))
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def do_PUT(self) -> None:
            length = int(self.headers["Content-Length"])
            exchange.received[self.path.removeprefix("/")] = self.rfile.read(length)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing: the guest polls."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
