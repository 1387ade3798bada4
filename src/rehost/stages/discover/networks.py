"""Network interfaces with hardware behind them, and their addresses."""

import ipaddress
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from rehost.errors import BadFormat, CommandMissing
from rehost.model.server import Network
from rehost.stages.discover.survey import Survey

NET = "/sys/class/net"
LOWER = "lower_"
# Lines of /proc/net/fib_trie "|-- 10.0.0.5", "/32 host LOCAL".
OWN_ADDRESS = re.compile(r"\|-- (\d+\.\d+\.\d+\.\d+)\s+/32 host LOCAL")
# Columns of /proc/net/if_inet6: address, interface number, prefix, scope, flags, interface.
GLOBAL_IPV6 = re.compile(
    r"^([0-9a-f]{32}) [0-9a-f]+ ([0-9a-f]{2}) 00 [0-9a-f]+ +(\S+)$", re.MULTILINE
)
GATEWAY_FLAG = 0x2  # RTF_GATEWAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    interface: str
    address: str
    prefix: int

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.address


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Addresses are dotted; `gateway` is "" for a network that is connected directly."""

    interface: str
    network: str
    netmask: str
    gateway: str
    metric: int


def find_networks(survey: Survey) -> tuple[Network, ...]:
    """The interface with the default route first. Raises HostError if /sys cannot be read."""
    routes = survey.attempt("networks[].gateway", lambda: read_routes(survey)) or []
    addresses = survey.attempt("networks[].ip", lambda: _addresses(survey, routes))
    names = [n for n in survey.host.entries(NET) if _is_reported(survey, n, addresses or [])]
    ordered = sorted(names, key=lambda n: (_metric(routes, n), _number(survey, n, "ifindex")))
    return tuple(_network(survey, n, addresses, routes) for n in ordered)


def parse_addresses(printed: str) -> Iterator[Address]:
    """Global addresses in what `ip -o addr show` prints, the same in all its versions.

    Raises BadFormat.
    """
    for line in printed.splitlines():
        words = line.partition("\\")[0].split()
        if len(words) < 4 or words[2] not in {"inet", "inet6"}:
            continue
        if "scope global" not in line or {"temporary", "tentative", "dadfailed"} & set(words):
            continue
        # A point-to-point address has its prefix behind the other end's address.
        prefix = next((w.partition("/")[2] for w in words[3:6] if "/" in w), "")
        yield _address(words[1].partition("@")[0], words[3].partition("/")[0], prefix)


def read_routes(survey: Survey) -> list[Route]:
    """Raises HostError. Format: /proc/net/route, numbers in the machine's byte order."""
    rows = [line.split() for line in survey.text("/proc/net/route", "").splitlines()[1:]]
    try:
        return [
            Route(
                interface=row[0],
                network=_dotted(row[1]),
                netmask=_dotted(row[7]),
                gateway=_dotted(row[2]) if int(row[3], 16) & GATEWAY_FLAG else "",
                metric=int(row[6]),
            )
            for row in rows
        ]
    except (ValueError, IndexError) as e:
        raise BadFormat("/proc/net/route is not as documented") from e


def _address(interface: str, address: str, prefix: str) -> Address:
    try:
        known = ipaddress.ip_interface(f"{address}/{prefix}")
    except ValueError as e:
        raise BadFormat(f"no address of {interface}: {address}/{prefix}") from e
    return Address(interface=interface, address=str(known.ip), prefix=known.network.prefixlen)


def _addresses(survey: Survey, routes: list[Route]) -> list[Address]:
    try:
        return list(parse_addresses(survey.host.run(["ip", "-o", "addr", "show"])))
    except CommandMissing:
        return list(_addresses_without_tool(survey, routes))


def _addresses_without_tool(survey: Survey, routes: list[Route]) -> Iterator[Address]:
    """The kernel's list of its own addresses, matched with the networks of interfaces."""
    for address in dict.fromkeys(OWN_ADDRESS.findall(survey.text("/proc/net/fib_trie"))):
        for route in routes:
            network = ipaddress.ip_network(f"{route.network}/{route.netmask}")
            if network.prefixlen and not route.gateway and ipaddress.ip_address(address) in network:
                yield _address(route.interface, address, str(network.prefixlen))
                break
    for raw, prefix, interface in GLOBAL_IPV6.findall(survey.text("/proc/net/if_inet6", "")):
        yield _address(interface, str(ipaddress.IPv6Address(int(raw, 16))), str(int(prefix, 16)))


def _is_reported(survey: Survey, name: str, addresses: list[Address]) -> bool:
    """Hardware, and a bond, bridge or VLAN upon hardware if it has an address."""
    if "device" in survey.entries(f"{NET}/{name}"):
        return True
    return _is_upon_hardware(survey, name) and any(a.interface == name for a in addresses)


def _is_upon_hardware(survey: Survey, name: str) -> bool:
    inside = survey.entries(f"{NET}/{name}")
    lower = (entry.removeprefix(LOWER) for entry in inside if entry.startswith(LOWER))
    return "device" in inside or any(_is_upon_hardware(survey, n) for n in lower)


def _network(
    survey: Survey, name: str, addresses: list[Address] | None, routes: list[Route]
) -> Network:
    own = None if addresses is None else [a for a in addresses if a.interface == name]
    ipv4 = next((a for a in own or [] if not a.is_ipv6), None)
    ipv6 = next((a for a in own or [] if a.is_ipv6), None)
    unknown = None if own is None else ""
    return Network(
        name=name,
        mac=_mac(survey, name),
        ip=ipv4.address if ipv4 else unknown,
        ipv6=ipv6.address if ipv6 else unknown,
        netmask=str(ipaddress.ip_network(f"0.0.0.0/{ipv4.prefix}").netmask) if ipv4 else unknown,
        gateway=next((r.gateway for r in _defaults(routes, name)), ""),
        mtu=_number(survey, name, "mtu"),
        id="",  # a cloud's own, not the machine's
    )


def _mac(survey: Survey, name: str) -> str:
    """The card's own: while it is part of a bond, it answers to the bond's."""
    own = survey.text(f"{NET}/{name}/bonding_slave/perm_hwaddr", "")
    return own or survey.text(f"{NET}/{name}/address", "")


def _defaults(routes: list[Route], interface: str) -> list[Route]:
    found = (r for r in routes if r.interface == interface and r.netmask == "0.0.0.0")  # noqa: S104
    return sorted((r for r in found if r.gateway), key=lambda r: r.metric)


def _metric(routes: list[Route], interface: str) -> float:
    return next((r.metric for r in _defaults(routes, interface)), float("inf"))


def _number(survey: Survey, interface: str, name: str) -> int:
    digits = survey.text(f"{NET}/{interface}/{name}", "")
    return int(digits) if digits.isdecimal() else 0


def _dotted(number: str) -> str:
    return str(ipaddress.IPv4Address(int(number, 16).to_bytes(4, sys.byteorder)))
