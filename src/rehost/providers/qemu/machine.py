"""The command line of a machine: from values to QEMU's words, nothing else."""

import hashlib
import re
import uuid
from dataclasses import dataclass
from pathlib import Path

from rehost.model.server import Firmware
from rehost.provider_errors import BadTargetSpec
from rehost.providers.base import DiskFormat, TargetSpec
from rehost.providers.qemu import console_log, network
from rehost.providers.qemu.options import Acceleration, Chipset, Ovmf

NAMESPACE = uuid.UUID("6e3aa5b4-7f8e-4d0c-9d0a-6a2b4c7b9d11")
# Emulated, clearing memory byte by byte (erms) and page tables of five levels (la57) cost a quarter
# of what a boot takes, and on a busy host made a kernel believe that its CPU was stuck.
CPU_MODELS = {Acceleration.KVM: "host", Acceleration.TCG: "max,-erms,-la57"}
MIB = 1 << 20
# The lowest bit of the first byte marks groups of interfaces.
MAC = re.compile(r"[0-9a-fA-F][02468aceACE](:[0-9a-fA-F]{2}){5}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    path: Path
    format: DiskFormat
    sector_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """`qmp` and `console` are listening sockets that QEMU inherits.

    `isolated`: what the guest sends reaches nobody. `bridges` and `taps` are of each interface: the
    bridge that it joins, "" for none, and the port there, to be inherited, too.
    """

    spec: TargetSpec
    images: tuple[Image, ...]
    folder: Path
    chipset: Chipset
    acceleration: Acceleration
    bridges: tuple[str, ...]
    taps: tuple[int | None, ...]
    isolated: bool
    ovmf: Ovmf | None  # None: SeaBIOS
    qmp: int
    console: int


def judge(spec: TargetSpec) -> None:
    """Raises BadTargetSpec for what QEMU would refuse."""
    if spec.cpus < 1 or spec.memory < MIB:
        raise BadTargetSpec(
            f"target server {spec.name!r} needs a CPU and memory; wanted are {spec.cpus} CPUs and "
            f"{spec.memory} bytes"
        )
    for interface in spec.interfaces:
        network.judge(interface)
        if interface.mac is not None and not MAC.fullmatch(interface.mac):
            raise BadTargetSpec(
                f"{interface.mac!r} is not the MAC address of a network interface, such as "
                "52:54:00:12:34:56"
            )


def pidfile(folder: Path) -> Path:
    return folder / "pid"


def arguments(machine: Machine) -> list[str]:
    """All but the program's name. QEMU goes to the background once the machine runs."""
    spec = machine.spec
    return [
        *("-nodefaults", "-no-user-config", "-daemonize"),
        *("-name", f"guest={_escaped(spec.name)}"),
        *("-uuid", str(uuid.uuid5(NAMESPACE, spec.task_id))),
        *("-pidfile", str(pidfile(machine.folder))),
        *("-machine", f"{machine.chipset},accel={machine.acceleration}"),
        *("-cpu", CPU_MODELS[machine.acceleration]),
        *("-smp", str(spec.cpus), "-m", f"{-(-spec.memory // MIB)}M"),
        # What runs in there comes from elsewhere. Stricter rules forbid setsid and fork, without
        # which QEMU does not get into the background.
        *("-sandbox", "on,obsolete=deny,resourcecontrol=deny"),
        *_consoles(machine),
        *_firmware(machine),
        *("-object", "rng-random,id=rng,filename=/dev/urandom"),
        *("-device", "virtio-rng-pci,rng=rng"),
        *(word for i, image in enumerate(machine.images) for word in _disk(i, image)),
        *(word for i in range(len(spec.interfaces)) for word in _interface(i, machine)),
    ]


def mac(task_id: str, number: int) -> str:
    """An address for an interface whose own is not kept: always the same one."""
    digest = hashlib.sha256(f"{task_id}/{number}".encode()).digest()
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in digest[:3])


def _consoles(machine: Machine) -> tuple[str, ...]:
    log = f"logfile={_escaped(str(machine.folder / console_log.NAME))},logappend=on"
    listen = "server=on,wait=off"
    return (
        *("-display", "none", "-vga", "std"),
        *("-chardev", f"socket,id=qmp,fd={machine.qmp},{listen}"),
        *("-mon", "chardev=qmp,mode=control"),
        *(
            "-chardev",
            f"socket,id=console,fd={machine.console},{listen},{log}",
        ),
        *("-serial", "chardev:console"),
    )


def _firmware(machine: Machine) -> tuple[str, ...]:
    if machine.spec.firmware is Firmware.BIOS or machine.ovmf is None:
        # SeaBIOS says on the serial port, too, what it and boot loaders say on the screen.
        port = _escaped(str(machine.folder / "bios-console"))
        return ("-fw_cfg", f"name=etc/sercon-port,file={port}")
    code = _escaped(str(machine.ovmf.code))
    variables = _escaped(str(machine.folder / "vars.fd"))
    return (
        *("-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={code}"),
        *("-drive", f"if=pflash,unit=1,format=raw,file={variables}"),
    )


def _disk(number: int, image: Image) -> tuple[str, ...]:
    drive = f"if=none,id=disk{number},format={image.format},discard=unmap"
    device = f"virtio-blk-pci,drive=disk{number},bootindex={number}"
    if image.sector_size != 512:
        device += f",logical_block_size={image.sector_size},physical_block_size={image.sector_size}"
    return ("-drive", f"{drive},file={_escaped(str(image.path))}", "-device", device)


def _interface(number: int, machine: Machine) -> tuple[str, ...]:
    interface = machine.spec.interfaces[number]
    address = interface.mac or mac(machine.spec.task_id, number)
    if name := machine.bridges[number]:
        netdev = network.on_bridge(number, name, machine.taps[number])
    else:
        netdev = network.behind_host(number, interface, isolated=machine.isolated)
    # No ROM: a disk that does not boot is said at once, not after a minute of network boot.
    device = f"virtio-net-pci,netdev=net{number},mac={address},romfile="
    return ("-netdev", netdev, "-device", device)


def _escaped(text: str) -> str:
    """As a value in one of QEMU's options, which are joined by commas."""
    return text.replace(",", ",,")
