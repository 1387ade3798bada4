"""What a copied system needs changed to start on virtio under the same names: decided from facts.

Nothing here looks at a disk. Where a fact is not known, what is safe either way is planned.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from rehost.model.server import Card, DeviceName, NamedBy, OsType, Report, Root
from rehost.stages.convert.network import Wish
from rehost.stages.convert.network.wish import MAC

NEEDED = ("virtio_pci", "virtio_blk")  # what a provider's disks are attached with
VIRTUAL = re.compile(r".*[.@]|(bond|br|team|vlan|virbr|docker|veth|tun|tap)", re.IGNORECASE)
NUMBERED = re.compile(r"(\D*)(\d*)")
LARGE_SECTOR = 4096
LVM_DEVICES = "/etc/lvm/devices/system.devices"


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
class Plan:
    """`reasons` are sentences: what is to be done, or left, and why.

    `devices` are names to replace, `sectors` the disks that do not have sectors of 512 bytes, by
    name. `refused` says why nothing can be done although something must be; "" else. `keeps_all`:
    the network is as it must be, but for what cloud-init may do to it.
    """

    reasons: tuple[str, ...]
    network: Wish | None = None
    keeps_all: bool = False
    devices: tuple[DeviceName, ...] = ()
    lvm_limits: tuple[str, ...] = ()
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
        return not (self.network or self._must())

    @property
    def is_precaution(self) -> bool:
        """Only cloud-init is to be kept out: it may do no harm where the system starts next."""
        return self.keeps_all and not self._must()

    def _must(self) -> bool:
        files = self.devices or self.lvm_limits
        identity = self.hostname or self.new_identity
        return bool(files or identity or self.virt_v2v or self.refused)


def plan(report: Report, options: Options) -> Plan:
    """What is to be done to a copy of the reported machine."""
    if report.os_type is OsType.WINDOWS:
        return _of_windows(options)
    try:
        wanted = _wanted(report, options)
    except ValueError as e:  # addresses of the target that cannot be
        return Plan(reasons=(str(e),), refused=str(e))
    if _is_encrypted(report) and not wanted.is_empty:
        return _without_root(wanted, tuple(_about_edits(report, options)))
    if wanted.virt_v2v and not _has_grub(report):
        return replace(wanted, refused=_cannot_rebuild(report))
    return wanted


def _of_windows(options: Options) -> Plan:
    """Nothing of ours knows how Windows keeps its names and addresses."""
    asked = options.dhcp or options.hostname or options.new_identity
    return Plan(
        reasons=("Windows has no virtio drivers of its own: virt-v2v-in-place installs them",),
        virt_v2v=True,
        refused="names, addresses and identity of Windows cannot be changed" if asked else "",
    )


def cards(report: Report) -> tuple[Card, ...]:
    """The network cards that have an Ethernet address, in lower case, in the order of their names.

    A target whose cards are in this order has the fewest names that must change.
    """
    if report.facts and report.facts.cards is not None:
        found = report.facts.cards
    else:
        found = tuple(
            Card(name=network.name, mac=network.mac)
            for network in report.networks
            if network.name and not VIRTUAL.match(network.name)
        )
    lower = (replace(card, mac=card.mac.lower()) for card in found if MAC.fullmatch(card.mac))
    return tuple(sorted(lower, key=lambda card: _natural(card.name)))


def _natural(name: str) -> tuple[tuple[str, int], ...]:
    """eth2 comes before eth10."""
    return tuple((text, int(digits or 0)) for text, digits in NUMBERED.findall(name))


def _wanted(report: Report, options: Options) -> Plan:
    names = tuple(_device_names(report))
    lacking = _lacking(report)
    network = _network(report, options)
    precaution = None if network else _precaution(report)
    return Plan(
        reasons=(*_about_virtio(report, lacking), *_about_edits(report, options)),
        network=network or precaution,
        keeps_all=precaution is not None,
        devices=tuple(n for n in names if n.lasting),
        lvm_limits=tuple(path for path in _lvm_limits(report) if path == LVM_DEVICES),
        old_hostname=report.hostname or report.name,
        hostname=_new_hostname(report, options),
        new_identity=options.new_identity,
        virt_v2v=bool(lacking),
        root=report.facts.root if report.facts else None,
        sectors=tuple(_sectors(report)),
    )


def _about_edits(report: Report, options: Options) -> Iterator[str]:
    yield from _about_names(tuple(_device_names(report)))
    yield from _about_lvm(report)
    yield from _about_cards(cards(report), options)
    if _has_cloud_init(report):
        yield "cloud-init is kept from describing the network anew"
    yield from _about_identity(report, options)


def _lacking(report: Report) -> tuple[str, ...]:
    """The drivers that the system's start lacks, as far as is known."""
    facts = report.facts
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
    if lacking and known:
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
    """Once for each file and name.

    systemd refuses a .swap whose device is not the one of its name; older agents report it.
    """
    names = (report.facts and report.facts.device_names) or ()
    yield from {(n.file, n.name): n for n in names if not n.file.endswith(".swap")}.values()


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


def _lvm_limits(report: Report) -> tuple[str, ...]:
    return (report.facts and report.facts.lvm_limits) or ()


def _about_lvm(report: Report) -> Iterator[str]:
    for path in _lvm_limits(report):
        if path == LVM_DEVICES:
            yield f"{path} tells LVM its disks by their hardware: without it, LVM looks at all"
        else:
            yield (
                f"{path} has a filter that lets LVM see no virtio disk: it is left, and LVM may "
                "not find its volumes on the target; on the source, let it accept /dev/vd.* and "
                "make the initramfs anew"
            )


def _has_cloud_init(report: Report) -> bool:
    """An agent that does not say so is an older one."""
    return bool(report.facts and report.facts.cloud_init)


def _network(report: Report, options: Options) -> Wish | None:
    """All cards that can be told apart, if anything is to be done about one of them."""
    known = cards(report)
    macs = {card.mac: _mac(card, options) for card in known if _mac(card, options) != card.mac}
    moves = any(not _keeps_its_name(card, known, options) for card in known)
    names = _names(known)
    if names and (options.dhcp or macs or moves):
        return Wish(names=names, macs=macs, dhcp=options.dhcp)
    return None


def _precaution(report: Report) -> Wish | None:
    """Cloud-init asks the new place, whatever names stay."""
    known = cards(report)
    if not known or not _has_cloud_init(report):
        return None
    return Wish(names=_names(known) or {card.name: card.mac for card in known})


def _names(cards: tuple[Card, ...]) -> dict[str, str]:
    return {card.name: card.mac for card in cards if _is_alone(card, cards)}


def _is_alone(card: Card, cards: tuple[Card, ...]) -> bool:
    """A name cannot be tied to an address that two cards share."""
    return [other.mac for other in cards].count(card.mac) == 1


def _keeps_its_name(card: Card, cards: tuple[Card, ...], options: Options) -> bool:
    if card.named_by is NamedBy.ADDRESS:
        return _mac(card, options) == card.mac
    return card.named_by is NamedBy.KERNEL and len(cards) == 1 and card.name == "eth0"


def _mac(card: Card, options: Options) -> str:
    return options.macs.get(card.name, card.mac).lower().replace("-", ":")


def _about_cards(cards: tuple[Card, ...], options: Options) -> Iterator[str]:
    for card in cards:
        mac = _mac(card, options)
        if mac != card.mac:
            yield f"interface {card.name} has the MAC address {mac} instead of {card.mac}"
        if _keeps_its_name(card, cards, options):
            continue
        if _is_alone(card, cards):
            yield (
                f"interface {card.name} {_why_pinned(card)}: its name is tied to its MAC address "
                f"{mac}"
            )
        else:
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


def _without_root(wanted: Plan, edits: tuple[str, ...]) -> Plan:
    """Nobody can look into an encrypted root without its key, and it is never asked for."""
    asked = wanted.network and (wanted.network.dhcp or wanted.network.macs)
    must = wanted.virt_v2v or wanted.hostname or wanted.new_identity or asked
    why = (
        "the root filesystem is encrypted and nothing in it can be changed: what has to be "
        "changed, change on the source before the cutover, or on the target once it runs"
    )
    if must:
        return replace(wanted, refused=f"{why} ({'; '.join(wanted.reasons)})")
    return Plan(reasons=(why, *(f"not done: {reason}" for reason in edits)))
