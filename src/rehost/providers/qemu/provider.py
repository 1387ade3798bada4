"""Machines of QEMU on the images of ServerFolders, running on when the service stops."""

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic

from rehost.errors import BadFormat, ProgramFailed
from rehost.model.server import Firmware
from rehost.provider_errors import (
    BadTargetSpec,
    MachineSilent,
    TargetGone,
    TargetRuns,
)
from rehost.providers.base import (
    DiskFormat,
    Inventory,
    Launch,
    MachineSize,
    Power,
    TargetServer,
    TargetSpec,
)
from rehost.providers.folders import Record, ServerFolders, images, inventories, write
from rehost.providers.qemu import (
    acceleration,
    console_log,
    daemon,
    failures,
    forward,
    held,
    layer,
    machine,
    network,
    picture,
    qmp,
    tap,
    variables,
)
from rehost.providers.qemu import options as host
from rehost.providers.qemu.acceleration import Probed
from rehost.providers.qemu.machine import Image, Machine
from rehost.providers.qemu.options import Acceleration, QemuOptions
from rehost.system import process
from rehost.system.files import write_atomically

log = logging.getLogger(__name__)

START_LIMIT_S = 60.0
BUTTON_AGAIN_S = 10.0  # a guest that has not come up yet does not notice its power button
BIOS_CONSOLE = (0x3F8).to_bytes(2, "little")  # the first serial port


class QemuProvider:
    """Has all abilities that there are."""

    name = "qemu"

    def __init__(self, folder: Path, options: QemuOptions = QemuOptions()) -> None:  # noqa: B008
        self._folders = ServerFolders(folder)
        self._options = options
        self._probing = threading.Lock()
        self._probed: Probed | None = None

    def create(self, spec: TargetSpec) -> TargetServer:
        machine.judge(spec)
        self._insist_on_bridges(spec, isolated=False)
        if spec.is_started:
            # Nobody wants to hear of it only after days of copying.
            host.insist(spec.firmware)
        return self._folders.create(spec)

    def boot(self, server_id: str) -> Launch:
        with self._folders.held(server_id) as (record, folder):
            return self._booted(record, folder)

    def boot_layered(self, server_id: str) -> Launch:
        with self._folders.held(server_id) as (record, folder):
            if not record.layered:
                _insist_off(folder)
                layer.lay(record, folder)
            return self._booted(replace(record, layered=True), folder)

    def power(self, server_id: str) -> Power:
        if self._folders.find(server_id) is None:
            return Power.GONE
        with daemon.process_of(machine.pidfile(self._folders.path(server_id))) as running:
            return Power.OFF if running is None else Power.ON

    def stop(self, server_id: str, *, hard: bool = False) -> None:
        folder = self._folders.path(server_id)
        with daemon.process_of(machine.pidfile(folder)) as running:
            if running is None or (not hard and self._shut_down(folder, running)):
                return
            log.info("%s: turned off by force", server_id)
            daemon.end(running, server_id)

    def delete(self, server_id: str) -> None:
        self._folders.delete(server_id, first=_end)

    def inventory(self) -> tuple[Inventory, ...]:
        return inventories(self._folders, self.power)

    def clone(
        self,
        server_id: str,
        clone_id: str,
        *,
        size: MachineSize | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> TargetServer:
        return self._folders.clone(
            server_id, clone_id, size=size, first=_insist_off, stopped=stopped
        )

    def layer(self, server_id: str) -> TargetServer:
        with self._folders.held(server_id) as (record, folder):
            _insist_off(folder)
            return layer.lay(record, folder)

    def drop_layer(self, server_id: str) -> None:
        with suppress(TargetGone), self._folders.held(server_id) as (record, folder):
            _insist_off(folder)
            layer.drop(record, folder)

    def console(self, server_id: str, *, last: int) -> bytes:
        return console_log.end(self._folders.path(server_id), last=last)

    def tend(self) -> None:
        for _, folder in self._folders.all():
            try:
                console_log.trim(folder)
            except OSError as e:
                # The others' consoles grow, too.
                log.warning("%s: cannot trim its console's log: %s", folder, e.strerror)

    def screenshot(self, server_id: str) -> bytes:
        with self._folders.held(server_id) as (_, folder):
            screen = folder / "screen.ppm"
            qmp.ask(folder, "screendump", filename=str(screen))
            return picture.png(screen.read_bytes())

    def reach(self, server_id: str, port: int) -> tuple[str, int]:
        with self._folders.held(server_id) as (record, folder):
            return forward.forwarded(folder, self._way_in(record), port)

    def accepts(self, server_id: str, port: int) -> bool:
        with self._folders.held(server_id) as (record, folder):
            return forward.accepts(folder, self._way_in(record), port)

    def is_accelerated(self) -> bool:
        return self.acceleration().acceleration is Acceleration.KVM

    def acceleration(self) -> Probed:
        """What machines run on here; the trial takes a moment, once for each provider."""
        with self._probing:
            if self._probed is None:
                self._probed = acceleration.probe(host.qemu(), self._options.acceleration)
            return self._probed

    def trouble(self, server_id: str) -> str:
        with self._folders.held(server_id) as (_, folder):
            return held.why(folder)

    def _booted(self, record: Record, folder: Path) -> Launch:
        with daemon.process_of(machine.pidfile(folder)) as running:
            if running is not None and record.launch:
                held.let_go(folder)
                return record.launch
        layer.insist(record, folder)
        probed = self.acceleration()
        launch = Launch(accelerated=self.is_accelerated(), said=probed.why)
        write(folder, replace(record, launch=launch))
        self._start(record, folder, probed.acceleration)
        log.info("%s: started, %s", record.spec.task_id, launch.said)
        return launch

    def _start(self, record: Record, folder: Path, chosen: Acceleration) -> None:
        isolated = record.clone_of is not None
        self._insist_on_bridges(record.spec, isolated=isolated)
        bridges = self._bridges(record.spec, isolated=isolated)
        ovmf = _prepare_firmware(record, folder)
        console_log.begin(folder)
        with (
            qmp.listening(folder, "qmp.sock") as monitor,
            qmp.listening(folder, "console.sock") as console,
            _ports(bridges) as taps,
        ):
            arguments = machine.arguments(
                Machine(
                    spec=record.spec,
                    images=_images(record, folder),
                    folder=folder,
                    chipset=self._options.chipset,
                    acceleration=chosen,
                    bridges=bridges,
                    taps=taps,
                    isolated=isolated,
                    ovmf=ovmf,
                    qmp=monitor,
                    console=console,
                )
            )
            began = monotonic()
            try:
                process.run(
                    [host.qemu(), *arguments],
                    name="QEMU",
                    environ={"LC_ALL": "C", "PATH": os.environ.get("PATH", os.defpath)},
                    limit_s=START_LIMIT_S,
                    pass_fds=(monitor, console, *(tap for tap in taps if tap is not None)),
                )
            except ProgramFailed as e:
                if hung := monotonic() - began >= START_LIMIT_S:
                    # Part of it may go on, and be in the way when this is tried again.
                    _end(folder)
                raise failures.of_start(record.spec.task_id, folder, e, hung=hung) from e

    def _bridges(self, spec: TargetSpec, *, isolated: bool) -> tuple[str, ...]:
        """Of each interface; "" for one that is on a network of its own."""
        default = self._options.bridge
        return tuple(network.bridge(i, default, isolated=isolated) for i in spec.interfaces)

    def _insist_on_bridges(self, spec: TargetSpec, *, isolated: bool) -> None:
        for name in filter(None, self._bridges(spec, isolated=isolated)):
            host.judge_bridge(name)

    def _way_in(self, record: Record) -> int:
        """The number of the interface that this host reaches. Raises BadTargetSpec."""
        bridges = self._bridges(record.spec, isolated=record.clone_of is not None)
        if "" in bridges:
            return bridges.index("")
        raise BadTargetSpec(
            f"target server {record.spec.task_id!r} is on bridges alone: reach it by its address"
        )

    def _shut_down(self, folder: Path, running: int) -> bool:
        """Press the power button, and again, until the guest is off; False if it will not."""
        deadline = monotonic() + self._options.grace_s
        while (left := deadline - monotonic()) > 0:
            # No answer is no reason to use force yet: it may be busy, or off already.
            with suppress(MachineSilent):
                qmp.ask(folder, "system_powerdown")
            if daemon.has_ended(running, limit_s=min(left, BUTTON_AGAIN_S)):
                return True
        return False


@contextmanager
def _ports(bridges: tuple[str, ...]) -> Iterator[tuple[int | None, ...]]:
    with ExitStack() as opened:
        taps = tuple(tap.join(name) if name else None for name in bridges)
        for port in taps:
            if port is not None:
                opened.callback(os.close, port)
        yield taps


def _end(folder: Path) -> None:
    with daemon.process_of(machine.pidfile(folder)) as running:
        if running is not None:
            daemon.end(running, folder.name)


def _insist_off(folder: Path) -> None:
    with daemon.process_of(machine.pidfile(folder)) as running:
        if running is not None:
            raise TargetRuns(folder.name)


def _prepare_firmware(record: Record, folder: Path) -> host.Ovmf | None:
    """Files that the firmware needs beside it; a store of variables that is there stays."""
    if record.spec.firmware is Firmware.BIOS:
        (folder / "bios-console").write_bytes(BIOS_CONSOLE)
        return None
    ovmf, store = host.ovmf(), folder / "vars.fd"
    if not store.exists():
        write_atomically(store, _new_variables(ovmf, record.spec.boot_file), mode=0o600)
    return ovmf


def _new_variables(ovmf: host.Ovmf, boot_file: str | None) -> bytes:
    empty = ovmf.variables.read_bytes()
    if boot_file is None:
        return empty
    try:
        return variables.with_boot_entry(empty, boot_file)
    except BadFormat as e:
        # It boots all the same if the loader is, too, where firmware looks for itself.
        log.warning("%s: %s is not started by name: %s", ovmf.variables, boot_file, e)
        return empty


def _images(record: Record, folder: Path) -> tuple[Image, ...]:
    used = layer.images(record, folder) if record.layered else images(record, folder)
    return tuple(
        Image(
            path=path,
            format=DiskFormat.QCOW2 if record.layered else DiskFormat.RAW,
            sector_size=disk.sector_size,
        )
        for path, disk in zip(used, record.spec.disks, strict=True)
    )
