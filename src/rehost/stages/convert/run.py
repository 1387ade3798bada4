"""The conversion of a layer's images, from the plan to the sentences of what was done."""

import errno
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from rehost.convert_errors import ConversionToolMissing, NotConvertible
from rehost.providers.base import TargetDisk
from rehost.stages.convert import guest as guests
from rehost.stages.convert import virt_v2v
from rehost.stages.convert.apply import apply
from rehost.stages.convert.plan import Plan

UUID = "UUID="
LEAST = 1 << 20  # bytes; with less free, a machine that writes to a layer waits for ever
NOT_KEPT_OUT = (
    "WARNING: cloud-init was not kept from the network, as this host lacks what that takes "
    f"({guests.PACKAGES}): on the target it may write the network anew, as a new server of the "
    "place has it, and the addresses that the source had may be gone"
)


def check(plan: Plan) -> None:
    """Whether this host could convert as planned: ask before anybody waits for it.

    It takes a fraction of a second. Raises NotConvertible and ConversionToolMissing.
    """
    if plan.refused:
        raise NotConvertible(plan.refused)
    # What is a mere precaution is left out where there is nothing to do it with.
    if plan.is_empty or plan.is_precaution:
        return
    guests.check_tools()
    guests.check_module()
    if plan.virt_v2v:
        virt_v2v.find()


def convert(
    disks: Sequence[TargetDisk],
    plan: Plan,
    *,
    accelerated: bool,
    log: Path,
    stopped: Callable[[], bool] = lambda: False,
) -> tuple[str, ...]:
    """Do to the system on the disks what is planned; say what was changed.

    The disks must be a layer that can be thrown away, never the replica, and nobody else may have
    them open. It takes seconds to minutes, and may be done again to the same layer or a new one.
    `log` gets all that the programs said. `accelerated`: this host runs machines with hardware
    virtualisation. Raises the errors of convert_errors, and OSError (ENOSPC) where there is no
    space for the layer; it is of no use then.
    """
    if plan.refused:
        raise NotConvertible(plan.refused)
    if plan.is_empty:
        return ()
    try:
        return _convert(disks, plan, accelerated=accelerated, log=log, stopped=stopped)
    except ConversionToolMissing:
        if not plan.is_precaution:
            raise
        return (NOT_KEPT_OUT,)


def _convert(
    disks: Sequence[TargetDisk],
    plan: Plan,
    *,
    accelerated: bool,
    log: Path,
    stopped: Callable[[], bool],
) -> tuple[str, ...]:
    stopped = _unless_full({disk.path.parent for disk in disks}, stopped)
    with guests.opened(
        disks, _opening(plan), accelerated=accelerated, log=log, stopped=stopped
    ) as guest:
        done = tuple(apply(guest, plan))
        root = guest.root
    if plan.virt_v2v:
        done += virt_v2v.rebuild(disks, root, accelerated=accelerated, log=log, stopped=stopped)
    return done


def _unless_full(folders: set[Path], stopped: Callable[[], bool]) -> Callable[[], bool]:
    """`stopped`, which is asked all the while, but raises ENOSPC once a folder is full.

    QEMU does not tell the machine in it, which waits, and would be said to have taken too long.
    """

    def asked() -> bool:
        for folder in folders:
            if _free(folder) < LEAST:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
        return stopped()

    return asked


def _free(folder: Path) -> float:
    """Some filesystems, of networks above all, do not tell, and say that they have no blocks."""
    found = os.statvfs(folder)
    if not found.f_blocks:
        return math.inf
    blocks = found.f_bavail if os.geteuid() else found.f_bfree
    return blocks * found.f_frsize


def _opening(plan: Plan) -> guests.Opening:
    uuids = {
        device.name: device.lasting.removeprefix(UUID)
        for device in plan.devices
        if device.lasting.startswith(UUID)
    }
    return guests.Opening(root=plan.root, sectors=dict(plan.sectors), names=uuids)
