"""The hardware of disks, from /sys and udev."""

import re
from collections.abc import Callable
from typing import TypeVar

from rehost.errors import FileUnreadable
from rehost.model.server import Hardware
from rehost.stages.discover.blocks import Block
from rehost.stages.discover.fillings import Layout
from rehost.stages.discover.survey import Survey
from rehost.stages.discover.udev import Record

T = TypeVar("T")

# By a part of the device's path in /sys; the first that is there names the bus.
BUSES = (
    ("/usb", "usb"),
    ("/nvme", "nvme"),
    ("/ata", "sata"),
    ("/host", "scsi"),
    ("/virtio", "virtio"),
    ("/vbd-", "xen"),
    ("/mmc", "mmc"),
)
SCSI_HOST = re.compile(r"/(host\d+)/")
PAGE_80_HEADER = 4  # bytes before the serial number in a SCSI unit serial number page


def find_hardware(survey: Survey, layout: Layout) -> tuple[Hardware, ...]:
    return tuple(
        _Look(survey, d, layout.records.get(d.name)).report() for d in layout.blocks.disks()
    )


class _Look:
    """At one disk. An attribute that it does not have is ""."""

    def __init__(self, survey: Survey, disk: Block, record: Record | None) -> None:
        self._survey = survey
        self._disk = disk
        self._record = record or Record({}, ())

    def report(self) -> Hardware:
        path = self._try("bus", lambda: self._survey.host.resolve(self._disk.sys))
        return Hardware(
            name=self._disk.path,
            serial=self._try("serial", self._serial),
            wwn=self._try("wwn", self._wwn),
            model=self._try("model", self._model),
            bus=None if path is None else next((bus for part, bus in BUSES if part in path), ""),
            driver=self._try("driver", lambda: self._driver(path or "")),
            logical_sector=self._try("logical_sector", lambda: self._size("logical_block_size")),
            physical_sector=self._try("physical_sector", lambda: self._size("physical_block_size")),
            read_only=self._try("read_only", lambda: self._attribute("ro") == "1"),
        )

    def _try(self, field: str, question: Callable[[], T]) -> T | None:
        return self._survey.attempt(f"facts.hardware[].{field}", question)

    def _attribute(self, name: str) -> str:
        return self._survey.text(f"{self._disk.sys}/{name}", "")

    def _serial(self) -> str:
        return (
            self._record.get("SERIAL_SHORT")
            or self._attribute("serial")  # virtio
            or self._attribute("device/serial")  # NVMe
            or self._attribute("device/vpd_pg80")[PAGE_80_HEADER:].strip("\0 ")  # SCSI
            or self._record.get("SERIAL")
        )

    def _wwn(self) -> str:
        return self._attribute("wwid") or self._scsi_wwn() or self._record.get("WWN")

    def _scsi_wwn(self) -> str:
        try:
            return self._attribute("device/wwid")
        except FileUnreadable:  # "Invalid argument": so the kernel says that the disk has none.
            return ""

    def _model(self) -> str:
        vendor, model = self._attribute("device/vendor"), self._attribute("device/model")
        # A PCI vendor number, as virtio has it, says nothing to a reader.
        return model if vendor.startswith("0x") else f"{vendor} {model}".strip()

    def _driver(self, path: str) -> str:
        """Of SCSI disks that of their host adapter: all have the driver "sd"."""
        host = SCSI_HOST.search(path)
        if host:
            return self._survey.text(f"/sys/class/scsi_host/{host[1]}/proc_name", "")
        for folder in ("device", "device/device"):
            if "driver" in self._survey.entries(f"{self._disk.sys}/{folder}"):
                driver = self._survey.host.resolve(f"{self._disk.sys}/{folder}/driver")
                return driver.rsplit("/", 1)[-1]
        return ""

    def _size(self, name: str) -> int | None:
        digits = self._attribute(f"queue/{name}")
        return int(digits) if digits.isdecimal() else None
