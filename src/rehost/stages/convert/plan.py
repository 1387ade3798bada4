"""What a copied system needs changed to start on virtio under the same names: decided from facts.

Nothing here looks at a disk. Where a fact is not known, what is safe either way is planned.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from rehost.model.server import Card, DeviceName, NamedBy, OsType, Report, Root

NEEDED = ("virtio_pci", "virtio_blk")  # what a provider's disks are attached with
VIRTUAL = re.compile(r".*[.@]|(bond|br|team|vlan|virbr|docker|veth|tun|tap)", re.IGNORECASE)
KERNEL_NAME = re.compile(r"eth\d+")
LARGE_SECTOR = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What an operator wants of the target.

    `macs` are the MAC addresses that the target's interfaces have, by the names of the source's
    interfaces; one that is not there has the source's. `new_identity` is for a clone that is to
    live beside its source: SSH host keys and machine-id of its own.
    """

    macs: Mapping[str, str] = field(default_factory=dict)
    dhcp: bool = False
    hostname: str | None = None
    new_identity: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """The card with this MAC address is to have this name."""

    name: str
    mac: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMac:
    """The card `name` had the address `old`, and has `new` on the target."""

    name: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`reasons` are sentences: what is to be done, or left, and why.

    `devices` are names to replace, `sectors` the disks that do not have sectors of 512 bytes, by
    name. `refused` says why nothing can be done although something must be; "" else.
    """

    reasons: tuple[str, ...]
    pins: tuple[Pin, ...] = ()
    devices: tuple[DeviceName, ...] = ()
    macs: tuple[NewMac, ...] = ()
    dhcp: bool = False
    old_hostname: str = ""
    hostname: str | None = None
    new_identity: bool = False
    virt_v2v: bool = False
    root: Root | None = None
    sectors: tuple[tuple[str, int], ...] = ()
    refused: str = ""

    @property
    def is_empty(self) -> bool:
        """Nothing is to be done: the system starts as it is."""
        return not (self._edits or self.virt_v2v or self.refused)

    @property
    def _edits(self) -> bool:
        asked = self.dhcp or self.new_identity or self.hostname is not None
        return bool(self.pins or self.devices or self.macs or asked)


def plan(report: Report, options: Options) -> Plan:
    """What is to be done to a copy of the reported machine."""
    wanted = _wanted(report, options)
    if _is_encrypted(report) and not wanted.is_empty:
        return _without_root(wanted)
    if wanted.virt_v2v and not _has_grub(report):
        return replace(wanted, refused=_cannot_rebuild(report))
    return wanted


def _wanted(report: Report, options: Options) -> Plan:
    cards = tuple(_cards(report))
    macs = tuple(_new_macs(cards, options))
    pins = tuple(_pins(cards, options))
    names = tuple(_device_names(report))
    lacking = _lacking(report)
    reasons = (
        *_about_virtio(report, lacking),
        *_about_names(names),
        *_about_cards(cards, pins, options),
        *_about_identity(report, options),
    )
    return Plan(
        reasons=reasons,
        pins=pins,
        devices=tuple(n for n in names if n.lasting),
        macs=macs,
        dhcp=options.dhcp,
        old_hostname=report.hostname or report.name,
        hostname=_new_hostname(report, options),
        new_identity=options.new_identity,
        virt_v2v=bool(lacking),
        root=report.facts.root if report.facts else None,
        sectors=tuple(_sectors(report)),
    )


def _lacking(report: Report) -> tuple[str, ...]:
    """The drivers that the system's start lacks, as far as is known."""
    facts = report.facts
    if report.os_type is OsType.WINDOWS:
        return NEEDED
    if facts is None or facts.virtio_initramfs is None:
        return () if _runs_on_virtio(report) else NEEDED
    present = {driver.replace("-", "_") for driver in facts.virtio_initramfs}
    return tuple(driver for driver in NEEDED if driver not in present)


def _runs_on_virtio(report: Report) -> bool:
    """It was started from such disks: it will be again."""
    hardware = (report.facts and report.facts.hardware) or ()
    bus = {disk.name: disk.bus for disk in hardware}
    roots = [disk.name for disk in report.disks or () if disk.os_disk]
    return bool(roots) and all(bus.get(name or "") == "virtio" for name in roots)


def _about_virtio(report: Report, lacking: tuple[str, ...]) -> Iterator[str]:
    known = report.facts and report.facts.virtio_initramfs is not None
    if report.os_type is OsType.WINDOWS:
        yield "Windows has no virtio drivers of its own: virt-v2v-in-place installs them"
    elif lacking and known:
        yield (
            f"the initramfs has no {' and no '.join(lacking)}: virt-v2v-in-place makes one that "
            "finds virtio disks"
        )
    elif lacking:
        yield (
            "the agent did not report which drivers the initramfs has: virt-v2v-in-place makes "
            "one that finds virtio disks"
        )
    elif known:
        yield "the initramfs has the drivers for virtio disks: it is not changed"
    else:
        yield "the source's own disks are virtio disks: the initramfs is not changed"


def _device_names(report: Report) -> Iterator[DeviceName]:
    """Once for each file and name."""
    names = (report.facts and report.facts.device_names) or ()
    yield from {(n.file, n.name): n for n in names}.values()


def _about_names(names: tuple[DeviceName, ...]) -> Iterator[str]:
    for name in names:
        if name.lasting:
            yield (
                f"{name.file} names {name.name}, which the target may call otherwise: it becomes "
                f"{name.lasting}"
            )
        else:
            yield (
                f"{name.file} names {name.name}, which the target may call otherwise, and has no "
                "UUID to be named by: it is left"
            )


def _cards(report: Report) -> Iterator[Card]:
    if report.facts and report.facts.cards is not None:
        yield from report.facts.cards
        return
    for network in report.networks:
        if network.name and network.mac and not VIRTUAL.match(network.name):
            yield Card(name=network.name, mac=network.mac)


def _new_macs(cards: tuple[Card, ...], options: Options) -> Iterator[NewMac]:
    for card in cards:
        new = _mac(card, options)
        if card.mac and new != card.mac.lower():
            yield NewMac(name=card.name, old=card.mac.lower(), new=new)


def _pins(cards: tuple[Card, ...], options: Options) -> Iterator[Pin]:
    macs = [_mac(card, options) for card in cards]
    for card, mac in zip(cards, macs, strict=True):
        # A name cannot be tied to an address that two cards share.
        if mac and macs.count(mac) == 1 and not _keeps_its_name(card, cards, options):
            yield Pin(name=card.name, mac=mac)


def _keeps_its_name(card: Card, cards: tuple[Card, ...], options: Options) -> bool:
    if card.named_by is NamedBy.ADDRESS:
        return _mac(card, options) == card.mac.lower()
    return card.named_by is NamedBy.KERNEL and len(cards) == 1 and card.name == "eth0"


def _mac(card: Card, options: Options) -> str:
    return options.macs.get(card.name, card.mac).lower()


def _about_cards(cards: tuple[Card, ...], pins: tuple[Pin, ...], options: Options) -> Iterator[str]:
    pinned = {pin.name for pin in pins}
    for card in cards:
        mac = _mac(card, options)
        if mac != card.mac.lower():
            yield f"interface {card.name} has the MAC address {mac} instead of {card.mac.lower()}"
        if card.name in pinned:
            yield (
                f"interface {card.name} {_why_pinned(card)}: its name is tied to its MAC address "
                f"{mac}"
            )
        elif not _keeps_its_name(card, cards, options):
            yield f"interface {card.name} has no MAC address of its own to tie its name to"
    if options.dhcp:
        yield "all interfaces are to get their addresses by DHCP"


def _why_pinned(card: Card) -> str:
    if card.named_by is NamedBy.PLACE:
        return "is named after its slot, which is another one on the target"
    if card.named_by is NamedBy.ADDRESS:
        return "is named after the MAC address that it had"
    if card.named_by is NamedBy.KERNEL:
        return "is named in the order in which the kernel finds cards"
    return "may be named after its slot, which is another one on the target"


def _new_hostname(report: Report, options: Options) -> str | None:
    return None if options.hostname in (None, report.hostname) else options.hostname


def _about_identity(report: Report, options: Options) -> Iterator[str]:
    if _new_hostname(report, options):
        yield f"the host name {options.hostname} is wanted instead of {report.hostname}"
    if options.new_identity:
        yield "it is to be a machine of its own: SSH host keys and machine-id are made anew"


def _sectors(report: Report) -> Iterator[tuple[str, int]]:
    for disk in (report.facts and report.facts.hardware) or ():
        if disk.logical_sector == LARGE_SECTOR:
            yield disk.name, LARGE_SECTOR


def _has_grub(report: Report) -> bool:
    """Or it is not known, and virt-v2v will see."""
    return report.boot_loader is None or "grub" in report.boot_loader.lower()


def _cannot_rebuild(report: Report) -> str:
    loader = (report.boot_loader or "").strip()
    found = f"its boot loader {loader}" if loader else "no boot loader that is known"
    return (
        "the initramfs lacks drivers for virtio disks, and virt-v2v cannot make another one for a "
        f"system with {found}: add virtio_pci and virtio_blk to the initramfs on the source "
        "(Debian: /etc/initramfs-tools/modules and update-initramfs -u -k all; others: dracut "
        "--force --no-hostonly --regenerate-all), let it synchronise, and try again"
    )


def _is_encrypted(report: Report) -> bool:
    return bool(report.facts and report.facts.root and report.facts.root.encrypted)


def _without_root(wanted: Plan) -> Plan:
    """Nobody can look into an encrypted root without its key, and it is never asked for."""
    must = wanted.virt_v2v or wanted.hostname or wanted.new_identity or wanted.dhcp
    why = (
        "the root filesystem is encrypted and nothing in it can be changed: what has to be "
        "changed, change on the source before the cutover, or on the target once it runs"
    )
    if must:
        return replace(wanted, refused=f"{why} ({'; '.join(wanted.reasons)})")
    return Plan(reasons=(why, *(f"not done: {reason}" for reason in wanted.reasons)))
