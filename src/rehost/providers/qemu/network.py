"""The networks that interfaces of machines are on, as QEMU's options.

The user-mode network is a machine's own: QEMU plays gateway, DHCP and name server, and what the
guest sends out leaves as connections of this host. Restricted, nothing leaves.
"""

from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from rehost.provider_errors import BadTargetSpec
from rehost.providers.base import ISOLATED, NETWORK, USER, Interface

BRIDGE = "bridge:"
# The least that has room for the guest, the gateway, the name server; beyond, no network is real.
SMALLEST, LARGEST = 29, 8  # bits of the prefix


def judge(interface: Interface) -> None:
    """Raises BadTargetSpec for a network that there is not."""
    if not NETWORK.fullmatch(interface.network):
        raise BadTargetSpec(
            f"{interface.network!r} is no network of target servers; there are user, isolated and "
            "bridge:NAME, with a bridge of the service's host"
        )


def bridge(interface: Interface, default: str, *, isolated: bool) -> str:
    """The host's bridge that it joins, "" for none. `default`: what an unnamed network is."""
    if isolated:
        return ""
    if interface.network.startswith(BRIDGE):
        return interface.network.removeprefix(BRIDGE)
    return "" if interface.network in (USER, ISOLATED) else default


def on_bridge(number: int, name: str, tap: int | None) -> str:
    """`tap` is a descriptor of a port there; without one, QEMU's helper is to make it."""
    return f"tap,id=net{number},fd={tap}" if tap is not None else f"bridge,id=net{number},br={name}"


def behind_host(number: int, interface: Interface, *, isolated: bool) -> str:
    restrict = isolated or interface.network == ISOLATED
    known = _as_the_source_knew_it(interface)
    return f"user,id=net{number},restrict={'on' if restrict else 'off'}{known}"


def _as_the_source_knew_it(interface: Interface) -> str:
    """A guest with a static address finds its gateway, and is found; "" if that is not possible."""
    try:
        own = IPv4Interface(interface.address)
        gateway = IPv4Address(interface.gateway) if interface.gateway else None
    except ValueError:
        return ""
    network, taken = own.network, {own.ip}
    if not LARGEST <= network.prefixlen <= SMALLEST or not _usable(own.ip, network):
        return ""
    if gateway is None or gateway in taken or not _usable(gateway, network):
        gateway = _free(network, taken)
    names = _free(network, taken | {gateway})
    return f",net={network},host={gateway},dns={names},dhcpstart={own.ip}"


def _usable(address: IPv4Address, network: IPv4Network) -> bool:
    special = address.is_loopback or address.is_multicast or address.is_link_local
    ends = (network.network_address, network.broadcast_address)
    return address in network and address not in ends and not special


def _free(network: IPv4Network, taken: set[IPv4Address]) -> IPv4Address:
    """The last that nobody has."""
    candidate = network.broadcast_address - 1
    while candidate in taken:
        candidate -= 1
    return candidate
