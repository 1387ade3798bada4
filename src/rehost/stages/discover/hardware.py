"""The hardware of disks, from /sys and udev."""

import re

from rehost.model.server import Hardware
from rehost.stages.discover.blocks import Block
from rehost.stages.discover.fillings import Layout
from rehost.stages.discover.survey import Survey
from rehost.stages.discover.udev import Record

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
    """Raises HostError if /sys cannot be read."""
    return tuple(_hardware(survey, d, layout.records.get(d.name)) for d in layout.blocks.disks())


def _hardware(survey: Survey, disk: Block, record: Record | None) -> Hardware:
    path = survey.attempt("facts.hardware[].bus", lambda: survey.host.resolve(disk.sys)) or ""
    vendor = survey.text(f"{disk.sys}/device/vendor", "")
    model = survey.text(f"{disk.sys}/device/model", "")
    return Hardware(
        name=disk.path,
        serial=survey.attempt("facts.hardware[].serial", lambda: _serial(survey, disk, record)),
        wwn=_first(survey, disk, "wwid", "device/wwid") or (record.get("WWN") if record else ""),
        # A PCI vendor number, as virtio has it, says nothing to a reader.
        model=model if not vendor or vendor.startswith("0x") else f"{vendor} {model}".strip(),
        bus=next((bus for part, bus in BUSES if part in path), "") if path else None,
        driver=survey.attempt("facts.hardware[].driver", lambda: _driver(survey, disk, path)),
        logical_sector=_number(survey, disk, "logical_block_size"),
        physical_sector=_number(survey, disk, "physical_block_size"),
        read_only=survey.text(f"{disk.sys}/ro", "0") == "1",
    )


def _serial(survey: Survey, disk: Block, record: Record | None) -> str:
    """Raises HostError if the kernel does not let this process read it."""
    known = record.get("SERIAL_SHORT") or record.get("SERIAL") if record else ""
    return known or _first(survey, disk, "serial", "device/serial") or _scsi_serial(survey, disk)


def _scsi_serial(survey: Survey, disk: Block) -> str:
    page = survey.text(f"{disk.sys}/device/vpd_pg80", "")
    return page[PAGE_80_HEADER:].strip("\0 ")


def _driver(survey: Survey, disk: Block, path: str) -> str:
    """The driver of the disk, of SCSI disks that of their host adapter; "" if /sys has none."""
    host = SCSI_HOST.search(path)
    if host:
        return survey.text(f"/sys/class/scsi_host/{host[1]}/proc_name", "")
    for link in ("device/driver", "device/device/driver"):
        if link.split("/")[-1] in survey.entries(f"{disk.sys}/{link.rpartition('/')[0]}"):
            return survey.host.resolve(f"{disk.sys}/{link}").rsplit("/", 1)[-1]
    return ""


def _first(survey: Survey, disk: Block, *names: str) -> str:
    return next((text for n in names if (text := survey.text(f"{disk.sys}/{n}", ""))), "")


def _number(survey: Survey, disk: Block, name: str) -> int | None:
    digits = survey.text(f"{disk.sys}/queue/{name}", "")
    return int(digits) if digits.isdecimal() else None
