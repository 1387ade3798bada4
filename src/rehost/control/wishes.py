"""What a server template wants of a target: its size, its networks, its disks."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

import msgspec

from rehost.control.template_record import Nics, TemplateRequest
from rehost.provider_errors import BadTargetSpec
from rehost.providers.base import NETWORK

GIB = 1 << 30
# The public cloud's words, s6.large.2 say: generation, size, GiB of memory for each CPU.
FLAVOR = re.compile(r"[A-Za-z][A-Za-z0-9]*\.(?:(small|medium|large)|(\d{0,3})xlarge)\.(\d{1,3})")
# Its words where both are free, x1.8u.16g, and our own, 8cpu-16gib.
FREE = re.compile(r"(?:[A-Za-z][A-Za-z0-9]*\.)?(\d{1,4})(?:u\.|cpu-)(\d{1,5})(?:g|gib)")
CPUS = {"small": 1, "medium": 1, "large": 2}
XLARGE = 4
AUTO = ("autocreate", "")  # a network made with the target: here, the service's own choice


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedNetwork:
    """As in Interface; "" where the template leaves it to the service or the source."""

    network: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedDisk:
    """`size` is bytes. `name` may be that of the source's disk; else `index` counts."""

    name: str
    index: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """`memory` is bytes; None is as the source has it. `networks`: interface by interface."""

    cpus: int | None = None
    memory: int | None = None
    networks: tuple[WantedNetwork, ...] = ()
    network: str = ""  # of further interfaces
    disks: tuple[SizedDisk, ...] = ()

    def interface(self, number: int) -> WantedNetwork:
        known = self.networks[number : number + 1]
        return known[0] if known else WantedNetwork(network=self.network)

    def disk_size(self, name: str, number: int) -> int:
        """Bytes, 0 if the template does not say."""
        named = [disk for disk in self.disks if disk.name == name]
        counted = [disk for disk in self.disks if disk.index == number]
        return (named or counted)[0].size if named or counted else 0


def read(document: str) -> Wishes:
    """Of a stored template. Raises BadTargetSpec, naming the field that cannot be followed."""
    template = msgspec.json.decode(document, type=TemplateRequest)
    cpus, memory = size(template.flavor) if template.flavor else (None, None)
    network = _network("vpc.id", (template.vpc and template.vpc.id) or "")
    return Wishes(
        cpus=cpus,
        memory=memory,
        networks=tuple(
            WantedNetwork(
                network=_network(f"nics[{number}].id", nic.id) or network,
                address=_address(f"nics[{number}].ip", nic),
            )
            for number, nic in enumerate(template.nics or ())
        ),
        network=network,
        disks=tuple(
            SizedDisk(name=disk.name, index=disk.index, size=disk.size * GIB)
            for disk in template.disk or ()
        ),
    )


def size(flavor: str) -> tuple[int, int]:
    """CPUs, and bytes of memory. Raises BadTargetSpec."""
    cpus = memory = 0
    if found := FLAVOR.fullmatch(flavor):
        word, factor, ratio = found.groups()
        cpus = CPUS[word] if word else XLARGE * int(factor or 1)
        memory = cpus * int(ratio)
    elif found := FREE.fullmatch(flavor):
        cpus, memory = int(found[1]), int(found[2])
    if not cpus or not memory:
        raise BadTargetSpec(
            f"the template's flavor, {flavor!r}, is not known here; write 4cpu-8gib, or as in "
            "s6.xlarge.2: small and medium are 1 CPU, large 2, xlarge 4, 2xlarge 8, and so on; the "
            "last number is GiB of memory for each CPU"
        )
    return cpus, memory * GIB


def _network(field: str, name: str) -> str:
    if name.lower() in AUTO:
        return ""
    if NETWORK.fullmatch(name):
        return name
    raise BadTargetSpec(
        f"the template's {field}, {name!r}, is no network of this service; it has user (behind its "
        "host), isolated, bridge:NAME (a bridge of its host), and autoCreate, its own choice"
    )


def _address(field: str, nic: Nics) -> str:
    if not nic.ip or not nic.cidr:
        return ""
    try:
        address, network = IPv4Address(nic.ip), IPv4Network(nic.cidr)
    except ValueError as e:
        raise BadTargetSpec(f"the template's {field}: {e}") from e
    if address not in network:
        raise BadTargetSpec(f"the template's {field}, {nic.ip}, is not in {nic.cidr}")
    return f"{address}/{network.prefixlen}"
