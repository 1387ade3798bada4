from collections.abc import Iterable, Iterator

from rehost.model.check import Result
from rehost.model.server import Report
from rehost.stages.check.rule import UNKNOWN, Found, Problem, check, unknown

BUS = "virtio_pci"
DISK = ("virtio_blk", "virtio_scsi")  # either is enough: the target's disks can be attached so

# A warning: conversion makes a new initramfs.
NOT_IN_INITRAMFS = Problem("REHOST.5181", Result.WARN)
NOT_IN_KERNEL = Problem("REHOST.5182", Result.ERROR)


@check(
    "VIRTIO_INITRAMFS",
    "virtio_pci and virtio_blk or virtio_scsi, built in or in the initramfs",
    NOT_IN_INITRAMFS,
    NOT_IN_KERNEL,
    UNKNOWN,
    of_start=True,
)
def judge(report: Report) -> Iterator[Found]:
    if report.facts is None:
        return
    kernel, initramfs = report.facts.virtio_kernel, report.facts.virtio_initramfs
    if initramfs is not None and not lacking(initramfs):
        return
    if kernel is not None and lacking(kernel):
        yield NOT_IN_KERNEL(*lacking(kernel))
    elif initramfs is not None:
        yield NOT_IN_INITRAMFS(*lacking(initramfs))
    else:
        yield unknown(report, "virtio_initramfs")


def lacking(drivers: Iterable[str]) -> tuple[str, ...]:
    """What these drivers lack to find a virtio disk."""
    present = {driver.replace("-", "_") for driver in drivers}
    bus = () if BUS in present else (BUS,)
    disk = () if present.intersection(DISK) else (DISK[0],)
    return bus + disk
